"""Single requests to a kernel, other than executions."""

from __future__ import annotations

import asyncio

from ipybox.errors import ConnectFailedError, IpyboxError, PluginError, copy_error
from ipybox.kernel.channel import KernelChannel, Subscriber
from ipybox.kernel.messages import (
    CompleteReplyContent,
    ExecuteReplyContent,
    Message,
    StatusContent,
    content_of,
)

PROBE_TIMEOUT = 60.0
"""Seconds in which a new kernel has to answer."""
STARTUP_TIMEOUT = 60.0
"""Seconds in which the start-up code of a plugin has to finish."""
FIRST_PROBE_INTERVAL = 0.01
"""Seconds before a probe is repeated for the first time; doubles each time."""


class Reply(Subscriber):
    """Waits for the reply to one request.

    Args:
        idle: Whether to wait for the kernel's ``idle`` status too.
    """

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
            self._future.set_exception(copy_error(error))

    async def wait(self, timeout: float) -> Message:
        """Wait for the reply.

        Args:
            timeout: In seconds.

        Raises:
            TimeoutError: If the reply has not arrived in time.
            IpyboxError: If the channel was closed meanwhile: a copy of the error that closed it.
        """
        async with asyncio.timeout(timeout):
            return await self._future


async def probe(channel: KernelChannel, timeout: float = PROBE_TIMEOUT) -> None:
    """Wait until the kernel answers on both shell and iopub. From then on, nothing is lost.

    On a stock gateway, a subscription to iopub takes effect at a time that the gateway does not
    report, so the question is repeated until it has been answered on both channels.

    Args:
        channel: The channel to the kernel.
        timeout: In seconds.

    Raises:
        ConnectFailedError: If the kernel does not answer in time.
        IpyboxError: If the channel is closed: the error that closed it.
    """
    deadline = asyncio.get_running_loop().time() + timeout
    patience = timeout if channel.delivers_all else FIRST_PROBE_INTERVAL
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
    raise ConnectFailedError(f"The kernel did not answer within {timeout:.0f} s.")


async def run_startup(channel: KernelChannel, plugin: str, code: str) -> None:
    """Run the start-up code of a plugin in a new kernel.

    The code leaves no names in the user's namespace.

    Args:
        channel: The channel to the kernel.
        plugin: The name of the plugin, for error messages.
        code: The code to run.

    Raises:
        PluginError: If the code raises, or does not finish within STARTUP_TIMEOUT.
        IpyboxError: If the channel is closed: the error that closed it.
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
        message = await reply.wait(STARTUP_TIMEOUT)
    except TimeoutError as error:
        raise PluginError(
            f"The start-up code of plugin {plugin!r} did not finish within {STARTUP_TIMEOUT:.0f} s."
        ) from error
    finally:
        channel.release(msg_id)
    answer = content_of(message, ExecuteReplyContent)
    if answer.status != "ok":
        raise PluginError(
            f"The start-up code of plugin {plugin!r} failed: {answer.ename}: {answer.evalue}"
        )


async def complete(
    channel: KernelChannel, code: str, cursor: int, timeout: float
) -> CompleteReplyContent:
    """Ask the kernel for completions (Jupyter messaging 5.4, complete_request).

    Args:
        channel: The channel to the kernel.
        code: The code to complete.
        cursor: The position in ``code``, in characters.
        timeout: In seconds.

    Raises:
        TimeoutError: If the kernel does not reply in time, because it is busy.
        ProtocolError: If the reply is malformed.
        IpyboxError: If the channel is closed: the error that closed it.
    """
    reply = Reply(idle=False)
    content = {"code": code, "cursor_pos": cursor}
    msg_id = await channel.request("shell", "complete_request", content, reply)
    try:
        return content_of(await reply.wait(timeout), CompleteReplyContent)
    finally:
        channel.release(msg_id)
