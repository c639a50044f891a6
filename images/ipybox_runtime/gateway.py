"""One way to start a kernel gateway, whatever the backend."""

import asyncio
import logging
import os
import signal
import socket
from collections.abc import Callable

import tornado.httpserver
from kernel_gateway.gatewayapp import KernelGatewayApp
from traitlets.config import Config

from ipybox_runtime.config import GatewayConfig
from ipybox_runtime.kernels import RuntimeKernelSpecManager, RuntimeMultiKernelManager
from ipybox_runtime.websocket import RuntimeWebsocketConnection


class Gateway(KernelGatewayApp):  # type: ignore[misc]
    """A kernel gateway on a socket that is bound already."""

    listener: socket.socket

    def init_http_server(self) -> None:
        self.http_server = tornado.httpserver.HTTPServer(self.web_app)
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
    if config.kernel_python:
        values.RuntimeKernelSpecManager.kernel_python = config.kernel_python
    values.RuntimeKernelSpecManager.kernel_env = config.kernel_env
    # Output is never dropped for coming fast.
    values.ZMQChannelsWebsocketConnection.limit_rate = False
    values.JupyterWebsocketPersonality.list_kernels = True
    return values


def serve(
    config: GatewayConfig,
    listener: socket.socket,
    *,
    on_ready: Callable[[], None],
    owner_fd: int,
) -> None:
    """Runs a gateway until SIGTERM, or until ``owner_fd`` comes to its end."""
    asyncio.run(_serve(config, listener, on_ready, owner_fd))


async def _serve(
    config: GatewayConfig, listener: socket.socket, on_ready: Callable[[], None], owner_fd: int
) -> None:
    stopping = asyncio.Event()
    loop = asyncio.get_running_loop()

    def owner_spoke() -> None:
        if not os.read(owner_fd, 4096):
            loop.remove_reader(owner_fd)
            stopping.set()

    loop.add_reader(owner_fd, owner_spoke)
    for signum in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(signum, stopping.set)

    app = Gateway(config=settings(config))
    app.listener = listener
    app.initialize(argv=[])
    on_ready()
    try:
        await stopping.wait()
    finally:
        app.http_server.stop()
        await app.kernel_manager.shutdown_all(now=True)
