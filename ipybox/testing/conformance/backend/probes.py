"""Python code, as strings, that checks run in a container to see what it is really like."""

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
    raise RuntimeError("The gateway is not among the ancestors of this process.")
"""
"""Defines ``gateway()``, which returns the process id of the gateway, an ancestor of the kernel."""

STATUS = """
for line in open("/proc/self/status"):
    name, _, value = line.partition(":")
    if name in ("Uid", "Gid", "CapEff", "CapPrm", "CapInh", "CapAmb", "NoNewPrivs", "Seccomp"):
        print(name, value.split()[0])
"""
"""Prints user, group, capabilities and seccomp mode of this process, from /proc."""

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
"""Prints the memory limit of this container in bytes."""

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
"""Prints how many threads can be started, at most ``most``."""

BURN = """
import time
end = time.monotonic() + {seconds}
before = time.process_time()
while time.monotonic() < end:
    pass
print(time.process_time() - before)
"""
"""Keeps a processor busy for ``seconds`` and prints the processor time used, in seconds."""


def status_of(text: str) -> dict[str, str]:
    """Parse what STATUS printed into names and values."""
    return dict(line.split() for line in text.splitlines())
