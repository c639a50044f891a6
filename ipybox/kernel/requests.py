"""Single requests to a kernel, other than executions."""

from __future__ import annotations

import asyncio

from ipybox.errors import ConnectFailedError, IpyboxError
from ipybox.kernel.channel import KernelChannel
from ipybox.kernel.messages import CompleteReplyContent, Message, StatusContent, content_of

PROBE_SECONDS = 60.0
PROBE_AGAIN_SECONDS = 0.01  # at first; each time it waits twice as long


class Reply:
    """Waits for the reply to one request, and for ``idle`` where that is asked for."""

    def __init__(self, *, idle: bool) -> None:
        self._future: asyncio.Future[Message] = asyncio.get_running_loop().create_future()
        self._needs_idle = idle
        self._reply: Message | None = None
        self._idle = False

    def feed(self, message: Message) -> None:
        if message.header.msg_type.endswith("_reply"):
            self._reply = message
        elif message.header.msg_type == "status":
            self._idle |= content_of(message, StatusContent).execution_state == "idle"
        if self._reply and (self._idle or not self._needs_idle) and not self._future.done():
            self._future.set_result(self._reply)

    def fail(self, error: IpyboxError) -> None:
        if not self._future.done():
            self._future.set_exception(error)

    async def wait(self, seconds: float) -> Message:
        async with asyncio.timeout(seconds):
            return await self._future


async def probe(channel: KernelChannel, seconds: float = PROBE_SECONDS) -> None:
    """Returns when the kernel answers on shell *and* iopub: nothing is lost from then on.

    A subscription to iopub takes effect at a time that nobody is told, so the
    question is asked again until it is answered on both.
    """
    deadline = asyncio.get_running_loop().time() + seconds
    patience = PROBE_AGAIN_SECONDS
    while (left := deadline - asyncio.get_running_loop().time()) > 0:
        reply = Reply(idle=True)
        msg_id = await channel.request("shell", "kernel_info_request", {}, reply)
        try:
            await reply.wait(min(left, patience))
            return
        except TimeoutError:
            patience *= 2
        finally:
            channel.release(msg_id)
    raise ConnectFailedError(f"The kernel did not answer within {seconds:.0f} s.")


async def complete(
    channel: KernelChannel, code: str, cursor: int, seconds: float
) -> CompleteReplyContent:
    """What may stand at ``cursor`` (in characters). Raises TimeoutError for a busy kernel."""
    reply = Reply(idle=False)
    content = {"code": code, "cursor_pos": cursor}
    msg_id = await channel.request("shell", "complete_request", content, reply)
    try:
        return content_of(await reply.wait(seconds), CompleteReplyContent)
    finally:
        channel.release(msg_id)
