"""What checks run inside a container to see for themselves: Python, as text."""

from __future__ import annotations

GATEWAY = """
import os
def gateway():
    pid = os.getpid()
    while pid > 1:
        with open(f"/proc/{pid}/stat") as file:
            pid = int(file.read().rpartition(")")[2].split()[1])
        with open(f"/proc/{pid}/cmdline", "rb") as file:
            if b"-m\\0ipybox_runtime\\0" in file.read():
                return pid
    raise RuntimeError("no process above this one is the gateway")
"""
"""Defines ``gateway()``: its process, among those above the kernel."""

STATUS = """
for line in open("/proc/self/status"):
    name, _, value = line.partition(":")
    if name in ("Uid", "Gid", "CapEff", "CapPrm", "CapInh", "CapAmb", "NoNewPrivs", "Seccomp"):
        print(name, value.split()[0])
"""
"""Prints what the kernel tells of this process."""

MEMORY_LIMIT = """
import pathlib
found = []
for path in ("memory.max", "memory/memory.limit_in_bytes"):
    try:
        found.append(int(pathlib.Path("/sys/fs/cgroup", path).read_text()))
    except (OSError, ValueError):
        pass
for line in open("/proc/meminfo"):
    if line.startswith("MemTotal:"):  # of a virtual machine
        found.append(int(line.split()[1]) * 1024)
print(min(found))
"""
"""Prints the bytes that this container can have at most."""

THREADS = """
import threading
stop = threading.Event()
threads = []
try:
    while len(threads) < {most}:
        thread = threading.Thread(target=stop.wait)
        thread.start()
        threads.append(thread)
except RuntimeError:
    pass
count = len(threads)
stop.set()
for thread in threads:
    thread.join()
print(count)
"""
"""Prints how many threads can be started, up to ``most``."""

BURN = """
import time
end = time.monotonic() + {seconds}
before = time.process_time()
while time.monotonic() < end:
    pass
print(time.process_time() - before)
"""
"""Prints the seconds of processor time had in so many seconds."""


def status_of(text: str) -> dict[str, str]:
    """What STATUS has printed."""
    return dict(line.split() for line in text.splitlines())
