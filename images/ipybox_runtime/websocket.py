"""The WebSocket between a client and its kernel."""

import asyncio
from typing import Any

import tornado.web
from jupyter_server.services.kernels.connection.base import serialize_msg_to_ws_v1
from jupyter_server.services.kernels.connection.channels import ZMQChannelsWebsocketConnection

HTTP_GONE = 410


class RuntimeWebsocketConnection(ZMQChannelsWebsocketConnection):  # type: ignore[misc]
    """Passes everything on, at once, and tells how the kernel ended."""

    async def prepare(self) -> None:
        """Ends with a ready kernel or, as soon as the kernel dies, with 410."""
        died = asyncio.ensure_future(self.kernel_manager.died.wait())
        prepared = asyncio.ensure_future(super().prepare())
        try:
            await asyncio.wait({died, prepared}, return_when=asyncio.FIRST_COMPLETED)
            if self.kernel_manager.died.is_set():
                code = self.kernel_manager.exit_code
                raise tornado.web.HTTPError(HTTP_GONE, reason=f"Kernel died, exit code {code}")
            await prepared
        finally:
            died.cancel()
            prepared.cancel()

    def connect(self) -> Any:
        # Without this, Nagle's algorithm and delayed acknowledgements add 40 ms
        # to each answer over loopback.
        self.websocket_handler.set_nodelay(True)
        connected = super().connect()
        if self.kernel_manager.died.is_set():
            self.on_restart_failed()
        return connected

    def nudge(self) -> "asyncio.Future[None]":
        """Waits for nothing: the client asks until it is answered on shell and on iopub.

        The stock one asks every half second, which is what a new kernel then costs.
        """
        done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        done.set_result(None)
        return done

    def on_restart_failed(self) -> None:
        """Says ``dead``, with the exit code, after all that the kernel had sent."""
        self._send_status_message("dead")

    def _send_status_message(self, status: str) -> None:
        iopub = self.channels.get("iopub")
        if iopub is not None and not iopub.closed():
            iopub.flush()
        content = {"execution_state": status, "exit_code": self.kernel_manager.exit_code}
        message = self.session.msg("status", content)
        self._write(message)

    def _write(self, message: dict[str, Any]) -> None:
        if self.subprotocol:
            frame = serialize_msg_to_ws_v1(message, "iopub", self.session.pack)
            self.write_message(frame, binary=True)
        else:
            self.write_message(self._reserialize_reply({**message, "buffers": []}, channel="iopub"))
