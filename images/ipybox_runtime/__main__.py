"""``python -m ipybox_runtime``: one kernel gateway, configured on standard input.

Standard input carries one line of JSON (:class:`GatewayConfig`) and then stays open. Its end means
that the owner has gone, and the gateway exits. In a container, the lease takes that role: process 1
(:mod:`ipybox_runtime.init`) enforces it, and the gateway is its child.

Standard output carries one JSON object per line:

- ``{"event": "bound", "port": 40123, "probe": {…}}`` as soon as the port is taken. The probe, which
  says what is enforced there, comes in containers only.
- ``{"event": "ready", "port": 40123, "runtime": "0.1.0"}`` when the gateway answers.
- ``{"event": "failed", "reason": "…"}`` when the gateway cannot start.
- ``{"event": "out_of_memory"}`` when the gateway of a container was killed because memory ran out.
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

FORK_SERVER_EXIT_TIMEOUT = 5.0
"""Seconds that the fork server has to exit after its standard input was closed."""

CONFIG_TIMEOUT = 60
"""Seconds to wait for the configuration on standard input."""


def announce(event: str, **fields: Any) -> None:
    """Print an event for the host."""
    print(json.dumps({"event": event, **fields}), flush=True)


def bind(host: str, port: int) -> socket.socket:
    """Take the port before the slow imports, so that its number is known early.

    The socket does not listen yet: until the gateway answers, connections are refused.

    Raises:
        OSError: The address cannot be bound, for example because the port is in use.
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
def run_fork_server(config: GatewayConfig) -> Iterator[str | None]:
    """Run the fork server, which imports its modules while the gateway does.

    Yields:
        The path of its socket; None if it cannot be started.
    """
    folder = tempfile.mkdtemp(prefix="f-")
    path = f"{folder}/s"
    listener = socket.socket(socket.AF_UNIX)
    mask = os.umask(0o177)  # mode 0600 from the start
    listener.bind(path)
    os.umask(mask)
    listener.listen(128)  # clients that connect too early wait, and are not refused
    python = config.kernel_python or sys.executable
    try:
        server = subprocess.Popen(
            [python, str(FORK_SERVER), str(listener.fileno())],
            stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, pass_fds=[listener.fileno()],
        )  # fmt: skip
    except OSError as error:
        print(f"the fork server could not be started: {error}", file=sys.stderr, flush=True)
        shutil.rmtree(folder, ignore_errors=True)
        yield None
        return
    finally:
        listener.close()
    try:
        yield path
    finally:
        assert server.stdin is not None
        server.stdin.close()  # makes it exit, with all kernels
        try:
            server.wait(FORK_SERVER_EXIT_TIMEOUT)
        except subprocess.TimeoutExpired:
            server.kill()
            server.wait()
        shutil.rmtree(folder, ignore_errors=True)


def main() -> int:
    # The owner may die before it has written the configuration. Process 1 has no default signal
    # actions, so the alarm needs a handler.
    signal.signal(signal.SIGALRM, lambda *_: os._exit(1))
    signal.alarm(CONFIG_TIMEOUT)
    line = sys.stdin.readline()
    signal.alarm(0)
    if not line:
        message = "ipybox: standard input is empty; ipybox writes the configuration there"
        print(message, file=sys.stderr)
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
    """Run the gateway with its fork server in this process, until it stops.

    Args:
        config: The gateway's configuration.
        listener: The bound socket.
        renewal: The pipe on which the lease is renewed; None outside containers.

    Returns:
        The exit code, 0.
    """
    port = listener.getsockname()[1]
    found = {"probe": probe()} if config.contained else {}
    announce("bound", port=port, **found)

    # Kernels inherit none of our standard streams: only this process writes events.
    events = os.dup(sys.stdout.fileno())
    os.set_inheritable(events, False)
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())

    def ready() -> None:
        gc.freeze()  # what was imported stays
        gc.enable()
        line = json.dumps({"event": "ready", "port": port, "runtime": RUNTIME_VERSION})
        os.write(events, line.encode() + b"\n")

    with run_fork_server(config) as path:
        # Collecting garbage, of which there is hardly any, would take an eighth of the import time.
        gc.disable()
        app = import_gateway()
        owner = None if config.contained else sys.stdin.fileno()
        app.serve(
            config, listener, fork_server=path, on_ready=ready, owner_fd=owner, renewal=renewal
        )
    return 0


if __name__ == "__main__":
    sys.exit(main())
