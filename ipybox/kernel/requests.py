"""Single requests to a kernel, other than executions."""

from __future__ import annotations

import asyncio

from ipybox.errors import ConnectFailedError, IpyboxError, PluginError
from ipybox.kernel.channel import KernelChannel
from ipybox.kernel.messages import (
    CompleteReplyContent,
    ExecuteReplyContent,
    Message,
    StatusContent,
    content_of,
)

PROBE_SECONDS = 60.0
STARTUP_SECONDS = 60.0
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

    On a stock gateway a subscription to iopub takes effect at a time that nobody is
    told, so the question is asked again until it is answered on both.
    Raises ConnectFailedError.
    """
    deadline = asyncio.get_running_loop().time() + seconds
    patience = seconds if channel.delivers_all else PROBE_AGAIN_SECONDS
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


async def run_startup(channel: KernelChannel, plugin: str, code: str) -> None:
    """Runs a plugin's code in a new kernel; no name of it is left in the user's namespace.

    Raises PluginError where it fails, or is not done within STARTUP_SECONDS.
    """
    reply = Reply(idle=True)
    own_names = {"__name__": "ipybox_startup"}
    content = {
        "code": f"exec(compile({code!r}, {f'<startup of {plugin}>'!r}, 'exec'), {own_names!r})",
        "silent": True,
        "store_history": False,
        "user_expressions": {},
        "allow_stdin": False,
        "stop_on_error": False,
    }
    msg_id = await channel.request("shell", "execute_request", content, reply)
    try:
        message = await reply.wait(STARTUP_SECONDS)
    except TimeoutError as error:
        raise PluginError(
            f"The start-up code of plugin {plugin!r} was not done within {STARTUP_SECONDS:.0f} s."
        ) from error
    finally:
        channel.release(msg_id)
    answer = content_of(message, ExecuteReplyContent)
    if answer.status != "ok":
        raise PluginError(
            f"The start-up code of plugin {plugin!r} failed: {answer.ename}: {answer.evalue}"
        )


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
