"""Process 1 of a local "container": start the gateway, and leave nothing behind.

The owner runs this file by its path, with ``-I -S`` and the standard library only, so that it
starts within milliseconds.

Standard input carries one line of JSON and then stays open. It is closed when the owner is gone
(it closed the pipe, crashed or was killed): then the supervisor kills its descendants and removes
the container's folder.

Standard output carries one JSON object per line: the gateway's events, and those of the supervisor:

- ``{"event": "taken"}`` if the container's folder exists already.
- ``{"event": "failed", "reason": "…"}`` if the gateway could not be started.
- ``{"event": "ended", "code": N, "log": […]}`` if the gateway exited by itself, with the last lines
  of its log, which is removed with the folder.
"""

import contextlib
import json
import os
import selectors
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))

import processes  # type: ignore[import-not-found]  # a sibling, importable by the line above
import workspace  # type: ignore[import-not-found]

EXIT_OWNER_GONE = 0
EXIT_FAILED = 1
TEARDOWN_TIMEOUT = 30


def start_gateway(config: dict[str, Any], root: Path) -> "subprocess.Popen[bytes]":
    """Start the gateway in the container's folder, and write its configuration to its input."""
    log = open(root / "log", "ab")  # noqa: SIM115  # closed below; the gateway has its own copy
    with log:
        gateway = subprocess.Popen(
            config["argv"],
            bufsize=0,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=log,
            cwd=root / "app",
            env=config["env"],
        )
    assert gateway.stdin is not None
    with contextlib.suppress(BrokenPipeError):  # it has exited: its log says why
        gateway.stdin.write(json.dumps(config["gateway"]).encode() + b"\n")
    return gateway


def relay(gateway: "subprocess.Popen[bytes]") -> bool:
    """Forward the gateway's events until one side is gone.

    Returns:
        True if the gateway closed its output, False if the owner is gone.
    """
    assert gateway.stdout is not None
    woken, waker = os.pipe()
    for end in (woken, waker):
        os.set_blocking(end, False)
    signal.signal(signal.SIGCHLD, lambda *_: None)
    signal.set_wakeup_fd(waker, warn_on_full_buffer=False)
    with selectors.DefaultSelector() as selector:
        selector.register(woken, selectors.EVENT_READ)
        selector.register(sys.stdin.fileno(), selectors.EVENT_READ)
        selector.register(gateway.stdout.fileno(), selectors.EVENT_READ)
        while True:
            for key, _ in selector.select():
                data = os.read(key.fd, 65536)
                if key.fd == woken:
                    processes.reap_orphans(gateway.pid)
                elif not data:
                    return key.fd == gateway.stdout.fileno()
                elif key.fd == gateway.stdout.fileno():
                    os.write(sys.stdout.fileno(), data)


def announce(event: str, **fields: Any) -> None:
    """Write one event of the supervisor for the owner."""
    with contextlib.suppress(BrokenPipeError):  # the owner is gone
        os.write(sys.stdout.fileno(), json.dumps({"event": event, **fields}).encode() + b"\n")


def main() -> int:
    """Run the container, and return the supervisor's exit code."""
    # Ctrl-C at the terminal is left to the owner, which closes the supervisor's standard input.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(EXIT_OWNER_GONE))
    processes.adopt_orphans()
    line = sys.stdin.readline()
    if not line.endswith("\n"):
        return EXIT_OWNER_GONE
    config = json.loads(line)
    root = Path(config["root"])
    code = EXIT_FAILED
    if not workspace.claim(root):
        announce("taken")
        return code
    try:
        workspace.create(root, binds=config["binds"])
        workspace.create_environment(root, import_paths=config["import_paths"])
        gateway = start_gateway(config, root)
        code = EXIT_OWNER_GONE
        if relay(gateway):
            gateway.kill()  # it may have closed its output and still be running
            code = gateway.wait()
            announce("ended", code=code, log=workspace.log_tail(root))
            code = code if code >= 0 else 128 - code  # as a shell does
    except Exception as error:  # the owner waits for an event, whatever the failure
        announce("failed", reason=f"{type(error).__name__}: {error}")
    finally:
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        # A process in uninterruptible sleep cannot be killed: SIGALRM then stops the supervisor.
        signal.alarm(TEARDOWN_TIMEOUT)
        processes.kill_descendants()
        workspace.remove(root)
    return code


if __name__ == "__main__":
    sys.exit(main())
