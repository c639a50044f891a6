"""``python -m ipybox_runtime``: one kernel gateway, configured on standard input.

Standard input carries one line of JSON (:class:`GatewayConfig`) and then stays
open: its end means that the owner is gone, and the gateway goes too. In a container
the lease stands for that, and a process is put above the gateway that holds it
(:mod:`ipybox_runtime.init`). Standard output carries one JSON object a line:

- ``{"event": "bound", "port": 40123, "probe": {…}}`` as soon as the port is taken; the
  probe in containers only: what is enforced there,
- ``{"event": "ready", "port": 40123, "runtime": "0.1.0"}`` when it answers,
- ``{"event": "failed", "reason": "…"}`` when it can't start,
- ``{"event": "out_of_memory"}`` when that has ended the gateway of a container.
"""

import contextlib
import gc
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from ipybox_runtime import RUNTIME_VERSION
from ipybox_runtime.config import GatewayConfig
from ipybox_runtime.imports import import_gateway
from ipybox_runtime.init import supervise
from ipybox_runtime.probe import probe

FORK_SERVER = Path(__file__).parent / "kernel" / "forkserver.py"
END_SECONDS = 5.0
CONFIG_SECONDS = 60


def announce(event: str, **fields: Any) -> None:
    print(json.dumps({"event": event, **fields}), flush=True)


def bind(host: str, port: int) -> socket.socket:
    """Takes the port before the slow imports, so that its number is known early.

    It does not listen yet: until the gateway answers, connections are refused.
    """
    bound = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET)
    bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        bound.bind((host, port))
    except OSError:
        bound.close()
        raise
    return bound


@contextlib.contextmanager
def forking(config: GatewayConfig) -> Iterator[str | None]:
    """The fork server, which imports while the gateway does; yields its socket's path,
    None where it can't be started."""
    folder = tempfile.mkdtemp(prefix="f-")
    path = f"{folder}/s"
    listener = socket.socket(socket.AF_UNIX)
    mask = os.umask(0o177)  # of mode 0600 from its beginning
    listener.bind(path)
    os.umask(mask)
    listener.listen(128)  # who connects before it is ready waits, and is not refused
    python = config.kernel_python or sys.executable
    try:
        server = subprocess.Popen(
            [python, str(FORK_SERVER), str(listener.fileno())],
            stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, pass_fds=[listener.fileno()],
        )  # fmt: skip
    except OSError as error:
        print(f"no fork server: {error}", file=sys.stderr, flush=True)
        shutil.rmtree(folder, ignore_errors=True)
        yield None
        return
    finally:
        listener.close()
    try:
        yield path
    finally:
        assert server.stdin is not None
        server.stdin.close()  # its sign to end, with all kernels
        try:
            server.wait(END_SECONDS)
        except subprocess.TimeoutExpired:
            server.kill()
            server.wait()
        shutil.rmtree(folder, ignore_errors=True)


def main() -> int:
    # An owner that died before it had written it. Process 1 has no default actions.
    signal.signal(signal.SIGALRM, lambda *_: os._exit(1))
    signal.alarm(CONFIG_SECONDS)
    line = sys.stdin.readline()
    signal.alarm(0)
    if not line:
        print("ipybox: no settings came; ipybox writes them to standard input", file=sys.stderr)
        return 0
    try:
        config = GatewayConfig.from_json(line)
        listener = bind(config.host, config.port)
    except (ValueError, TypeError, OSError) as error:
        announce("failed", reason=f"{type(error).__name__}: {error}")
        return 1
    if not config.contained:
        return run_gateway(config, listener, None)
    lease, renewal = os.pipe()
    gateway = os.fork()
    if gateway:
        os.close(renewal)
        listener.close()
        return supervise(gateway, lease, config.lease_seconds)
    os.close(lease)
    return run_gateway(config, listener, renewal)


def run_gateway(config: GatewayConfig, listener: socket.socket, renewal: int | None) -> int:
    port = listener.getsockname()[1]
    found = {"probe": probe()} if config.contained else {}
    announce("bound", port=port, **found)

    # Kernels inherit no standard stream of ours: the event pipe is this process's alone.
    events = os.dup(sys.stdout.fileno())
    os.set_inheritable(events, False)
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())

    def ready() -> None:
        gc.freeze()  # what was imported stays
        gc.enable()
        line = json.dumps({"event": "ready", "port": port, "runtime": RUNTIME_VERSION})
        os.write(events, line.encode() + b"\n")

    with forking(config) as path:
        # An eighth of the imports' time would be looking for garbage, which there is hardly any of.
        gc.disable()
        app = import_gateway()
        owner = None if config.contained else sys.stdin.fileno()
        app.serve(
            config, listener, fork_server=path, on_ready=ready, owner_fd=owner, renewal=renewal
        )
    return 0


if __name__ == "__main__":
    sys.exit(main())
