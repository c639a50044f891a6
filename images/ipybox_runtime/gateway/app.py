"""One way to start a kernel gateway, whatever the backend."""

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
from ipybox_runtime.gateway.guard import HOSTS_VARIABLE, guarded
from ipybox_runtime.gateway.kernels import RuntimeKernelSpecManager, RuntimeMultiKernelManager
from ipybox_runtime.gateway.lease import LEASE_PATH, Lease, LeaseHandler, write_private
from ipybox_runtime.gateway.processes import until_ready
from ipybox_runtime.gateway.status import STATUS_PATH, StatusHandler
from ipybox_runtime.gateway.versions import VERSION_HEADER, version_check
from ipybox_runtime.gateway.websocket import RuntimeWebsocketConnection

MAX_BODY_BYTES = 1024 * 1024
MAX_REQUEST_BYTES = 64 * 1024 * 1024
LOG_BYTES = 1024 * 1024
"""What this process itself may write to its log."""


class Gateway(KernelGatewayApp):  # type: ignore[misc]
    """A kernel gateway on a socket that is bound already."""

    listener: socket.socket
    lease: Lease
    hosts: Collection[str] = ()

    def init_webapp(self) -> None:
        super().init_webapp()
        self.web_app.add_handlers(r".*", [(STATUS_PATH, StatusHandler), (LEASE_PATH, LeaseHandler)])
        self.web_app.settings["ipybox_lease"] = self.lease
        self.web_app.settings["websocket_max_message_size"] = MAX_REQUEST_BYTES
        self.web_app.settings["headers"] = {VERSION_HEADER: f"{RUNTIME_VERSION}; {PROTOCOL}"}

    def init_http_server(self) -> None:
        named = os.environ.get(HOSTS_VARIABLE, "").split(",")
        hosts = [*self.hosts, *(host.strip() for host in named if host)]
        router = guarded(version_check(self.web_app), hosts)
        # A body is read before the token is looked at.
        self.http_server = tornado.httpserver.HTTPServer(router, max_body_size=MAX_BODY_BYTES)
        # Half-open connections are found by the system; clients have their own heartbeat.
        self.listener.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        self.listener.listen(128)
        self.listener.setblocking(False)
        self.http_server.add_sockets([self.listener])

    def init_signal(self) -> None:
        """Signals are set in :func:`serve`, where the loop is known."""


def settings(config: GatewayConfig) -> Config:
    """What differs from the stock gateway's defaults, and nothing else."""
    values = Config()
    app = values.KernelGatewayApp
    app.auth_token = config.token
    app.ip = config.host
    app.port_retries = 0
    app.ws_ping_interval = 0
    app.log_level = logging.WARNING
    app.cookie_secret = os.urandom(32)  # else a file of it is written
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
    """Runs a gateway until SIGTERM, or until ``owner_fd`` comes to its end. A byte on
    ``renewal`` tells process 1 that the lease was renewed."""
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
    run_folder = _run_folder(config)
    app.lease = Lease(config.lease_seconds, renewal, run_folder)
    app.initialize(argv=[])
    _bound_log()
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

    def owner_spoke() -> None:
        if not os.read(owner_fd, 4096):
            loop.remove_reader(owner_fd)
            stopping.set()

    loop.add_reader(owner_fd, owner_spoke)


def _run_folder(config: GatewayConfig) -> Path | None:
    """Where the token is left for who attaches: who may run a command in the container as
    this user has all of it anyway."""
    if not config.run_folder:
        return None
    folder = Path(config.run_folder)
    try:
        write_private(folder / "token", config.token)
    except OSError as error:
        logging.getLogger(__name__).warning("%s can't be written to: %s", folder, error)
        return None
    return folder


async def _watch_fork_server(kernels: RuntimeMultiKernelManager) -> None:
    if kernels.fork_server is not None:
        kernels.fork_server_ready = await until_ready(kernels.fork_server)


def _raise_file_limit() -> None:
    """A kernel takes about fifteen descriptors here, and a thousand are soon used up."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = 65536 if hard == resource.RLIM_INFINITY else min(hard, 65536)
    if soft < wanted:
        with contextlib.suppress(ValueError, OSError):
            resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))


def _bound_log() -> None:
    """Whatever a client or a kernel provokes, the log stays small."""
    left = LOG_BYTES

    def within_bound(record: logging.LogRecord) -> bool:
        nonlocal left
        left -= len(record.getMessage()) + 256
        return left > 0

    for name in ("", *logging.Logger.manager.loggerDict):
        for handler in logging.getLogger(name).handlers:
            handler.addFilter(within_bound)
