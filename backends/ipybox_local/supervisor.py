"""Process 1 of a local "container": starts the gateway, and leaves nothing behind.

Run by path, with ``-I -S``, so that it is up in milliseconds: the standard
library alone. Standard input carries one line of JSON and then stays open; its
end means that the owner is gone (closed, crashed or killed), and everything
below this process is killed and the folder removed. Standard output carries the
gateway's events and, when it ends by itself, ``{"event": "ended", "code": N, "log": […]}``
with the last lines of its log, which goes with the folder.
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

import processes  # type: ignore[import-not-found]  # a sibling file, on sys.path by the line above
import workspace  # type: ignore[import-not-found]

EXIT_OWNER_GONE = 0
EXIT_FAILED = 1
TEARDOWN_SECONDS = 30


def start_gateway(config: dict[str, Any], root: Path) -> "subprocess.Popen[bytes]":
    log = open(root / "log", "ab")  # noqa: SIM115  # the gateway's from here on
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
    with contextlib.suppress(BrokenPipeError):  # it has ended: its log tells why
        gateway.stdin.write(json.dumps(config["gateway"]).encode() + b"\n")
    return gateway


def relay(gateway: "subprocess.Popen[bytes]") -> bool:
    """Passes the gateway's events on until it has ended (True) or the owner has gone (False)."""
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
    with contextlib.suppress(BrokenPipeError):  # the owner has gone
        os.write(sys.stdout.fileno(), json.dumps({"event": event, **fields}).encode() + b"\n")


def main() -> int:
    # The terminal's Ctrl-C is the owner's affair: it closes our standard input.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(EXIT_OWNER_GONE))
    processes.adopt_orphans()
    line = sys.stdin.readline()
    if not line.endswith("\n"):
        return EXIT_OWNER_GONE
    config = json.loads(line)
    root = Path(config["root"])
    code = EXIT_FAILED
    if not workspace.take(root):
        announce("taken")
        return code
    try:
        workspace.create(root, binds=config["binds"])
        workspace.create_environment(root, import_paths=config["import_paths"])
        gateway = start_gateway(config, root)
        code = EXIT_OWNER_GONE
        if relay(gateway):
            gateway.kill()  # it may have closed its end of the pipe, and live
            code = gateway.wait()
            announce("ended", code=code, log=workspace.log_tail(root))
            code = code if code >= 0 else 128 - code  # as a shell has it
    except Exception as error:  # the outermost: whoever waits is told, whatever it is
        announce("failed", reason=f"{type(error).__name__}: {error}")
    finally:
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        # A process that can't be ended (in uninterruptible sleep) ends this wait, not us.
        signal.alarm(TEARDOWN_SECONDS)
        processes.kill_descendants()
        workspace.remove(root)
    return code


if __name__ == "__main__":
    sys.exit(main())
