"""The gateway's application. Every backend starts it in the same way."""

import asyncio
import contextlib
import logging
import os
import resource
import signal
import socket
import sys
from collections.abc import Callable, Collection
from pathlib import Path

import tornado.httpserver
from kernel_gateway.gatewayapp import KernelGatewayApp
from traitlets.config import Config

from ipybox_runtime import PROTOCOL, RUNTIME_VERSION
from ipybox_runtime.config import GatewayConfig
from ipybox_runtime.gateway.kernels import RuntimeKernelSpecManager, RuntimeMultiKernelManager
from ipybox_runtime.gateway.lease import LEASE_PATH, Lease, LeaseHandler, write_private
from ipybox_runtime.gateway.origin import HOSTS_VARIABLE, check_origin
from ipybox_runtime.gateway.processes import wait_until_ready
from ipybox_runtime.gateway.status import STATUS_PATH, StatusHandler
from ipybox_runtime.gateway.versions import VERSION_HEADER, check_version
from ipybox_runtime.gateway.websocket import RuntimeWebsocketConnection

MAX_BODY_BYTES = 1024 * 1024
"""Largest body of an HTTP request."""

MAX_REQUEST_BYTES = 64 * 1024 * 1024
"""Largest WebSocket message from a client."""

LOG_BYTES = 1024 * 1024
"""About how much this process writes to its log, in all its life."""


class Gateway(KernelGatewayApp):  # type: ignore[misc]
    """A kernel gateway on a socket that is bound already.

    Attributes:
        listener: The socket.
        lease: The container's lease.
        hosts: Names that clients may use for the gateway.
    """

    listener: socket.socket
    lease: Lease
    hosts: Collection[str] = ()

    def init_webapp(self) -> None:
        """Add the endpoints for status and lease, and the version header."""
        super().init_webapp()
        self.web_app.add_handlers(r".*", [(STATUS_PATH, StatusHandler), (LEASE_PATH, LeaseHandler)])
        self.web_app.settings["ipybox_lease"] = self.lease
        self.web_app.settings["websocket_max_message_size"] = MAX_REQUEST_BYTES
        self.web_app.settings["headers"] = {VERSION_HEADER: f"{RUNTIME_VERSION}; {PROTOCOL}"}

    def init_http_server(self) -> None:
        """Listen on the bound socket, behind the checks of origin and version."""
        named = os.environ.get(HOSTS_VARIABLE, "").split(",")
        hosts = [*self.hosts, *(host.strip() for host in named if host)]
        router = check_origin(check_version(self.web_app), hosts)
        # The limit matters before authentication: a body is read before the token is checked.
        self.http_server = tornado.httpserver.HTTPServer(router, max_body_size=MAX_BODY_BYTES)
        # The operating system finds half-open connections; clients have their own heartbeat.
        self.listener.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        self.listener.listen(128)
        self.listener.setblocking(False)
        self.http_server.add_sockets([self.listener])

    def init_signal(self) -> None:
        """Do nothing: :func:`serve` sets the signal handlers, because it knows the loop."""


def settings(config: GatewayConfig) -> Config:
    """Return what differs from the stock gateway's defaults, and nothing else."""
    values = Config()
    app = values.KernelGatewayApp
    app.auth_token = config.token
    app.ip = config.host
    app.port_retries = 0
    app.ws_ping_interval = 0
    app.log_level = logging.WARNING
    app.cookie_secret = os.urandom(32)  # otherwise Jupyter writes one to a file
    app.kernel_manager_class = RuntimeMultiKernelManager
    app.kernel_spec_manager_class = RuntimeKernelSpecManager
    app.kernel_websocket_connection_class = RuntimeWebsocketConnection
    values.RuntimeMultiKernelManager.kernel_python = config.kernel_python or sys.executable
    values.JupyterWebsocketPersonality.list_kernels = True
    return values


def serve(
    config: GatewayConfig,
    listener: socket.socket,
    *,
    fork_server: str | None,
    on_ready: Callable[[], None],
    owner_fd: int | None,
    renewal: int | None,
) -> None:
    """Run a gateway until SIGTERM or SIGINT arrives, or its owner has gone.

    Args:
        config: The gateway's configuration.
        listener: The bound socket, which does not listen yet.
        fork_server: Path of the fork server's socket; None without a fork server.
        on_ready: Called once, when the gateway answers.
        owner_fd: File descriptor whose end means that the owner has gone; None if nothing does.
        renewal: File descriptor on which each renewal of the lease is passed on to process 1, as
            one byte; None without process 1.
    """
    asyncio.run(_serve(config, listener, fork_server, on_ready, owner_fd, renewal))


async def _serve(
    config: GatewayConfig,
    listener: socket.socket,
    fork_server: str | None,
    on_ready: Callable[[], None],
    owner_fd: int | None,
    renewal: int | None,
) -> None:
    stopping = asyncio.Event()
    loop = asyncio.get_running_loop()
    if owner_fd is not None:
        _watch_owner(owner_fd, stopping)
    for signum in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(signum, stopping.set)
    _raise_file_limit()

    app = Gateway(config=settings(config))
    app.listener = listener
    app.hosts = config.hosts
    run_folder = _prepare_run_folder(config)
    app.lease = Lease(config.lease_seconds, renewal, run_folder)
    app.initialize(argv=[])
    _limit_log()
    app.kernel_manager.fork_server = fork_server
    watch = asyncio.create_task(_watch_fork_server(app.kernel_manager), name="fork server")
    app.kernel_manager.absence_seconds = config.absence_seconds
    app.lease.begin()
    on_ready()
    try:
        await stopping.wait()
    finally:
        watch.cancel()
        app.http_server.stop()
        await app.kernel_manager.close()


def _watch_owner(owner_fd: int, stopping: asyncio.Event) -> None:
    loop = asyncio.get_running_loop()

    def on_readable() -> None:
        if not os.read(owner_fd, 4096):
            loop.remove_reader(owner_fd)
            stopping.set()

    loop.add_reader(owner_fd, on_readable)


def _prepare_run_folder(config: GatewayConfig) -> Path | None:
    """Write the token to the run folder, for processes that attach; return the folder.

    This gives nothing away: a process that can run a command in the container as this user
    controls everything in it anyway. Returns None without a usable folder.
    """
    if not config.run_folder:
        return None
    folder = Path(config.run_folder)
    try:
        write_private(folder / "token", config.token)
    except OSError as error:
        logging.getLogger(__name__).warning("the token can't be written to %s: %s", folder, error)
        return None
    return folder


async def _watch_fork_server(kernels: RuntimeMultiKernelManager) -> None:
    if kernels.fork_server is not None:
        kernels.fork_server_ready = await wait_until_ready(kernels.fork_server)


def _raise_file_limit() -> None:
    """Allow more open files: each kernel takes about fifteen here, and 1,000 are soon used up."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = 65536 if hard == resource.RLIM_INFINITY else min(hard, 65536)
    if soft < wanted:
        with contextlib.suppress(ValueError, OSError):
            resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))


def _limit_log() -> None:
    """Keep the log below LOG_BYTES, whatever a client or a kernel provokes."""
    left = LOG_BYTES

    def within_limit(record: logging.LogRecord) -> bool:
        nonlocal left
        left -= len(record.getMessage()) + 256
        return left > 0

    for name in ("", *logging.Logger.manager.loggerDict):
        for handler in logging.getLogger(name).handlers:
            handler.addFilter(within_limit)
