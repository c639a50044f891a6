"""Commands in a running container."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from typing import Any, Literal

from aiodocker.stream import Stream

from ipybox import BackendError, ByteStream, EngineTimeoutError, ExecResult, UnsupportedError
from ipybox.authoring import shielded
from ipybox_docker.errors import engine_call

EXEC_VARIABLE = "IPYBOX_EXEC"
NOT_STARTED = (126, 127)
OCI_ERROR = b"OCI runtime exec failed"
"""How the engine says so: in the command's place."""
KILL_SECONDS = 10.0
POLL_SECONDS = 0.01
# Docker can't end what exec has started; what it started carries a mark in its environment.
KILL_SCRIPT = """
import glob, os, sys
mark = sys.argv[1].encode()
for path in glob.glob("/proc/[0-9]*/environ"):
    try:
        with open(path, "rb") as file:
            found = mark in file.read().split(b"\\0")
        if found:
            os.kill(int(path.split("/")[2]), 9)
    except OSError:
        pass
"""
WITH_INPUT = 'size="$1"; shift; head -c "$size" | "$@"'
"""Docker has no way to end a command's input alone over TLS: so its size is told before."""

Lane = Literal["stdout", "stderr"]


class Exec:
    """One command, with its standard streams."""

    def __init__(
        self,
        container: Any,
        argv: Sequence[str],
        *,
        stdin: bool,
        env: Mapping[str, str] | None = None,
        workdir: str | None = None,
    ) -> None:
        self._container = container
        self._argv = list(argv)
        self._stdin = stdin
        self._mark = f"{EXEC_VARIABLE}={secrets.token_hex(8)}"
        self._env = [f"{name}={value}" for name, value in (env or {}).items()]
        self._workdir = workdir
        self._exec: Any = None
        self.stream: Stream | None = None

    async def start(self) -> Stream:
        async with engine_call(f"run {self._argv[0]!r}"):
            self._exec = await self._container.exec(
                self._argv,
                stdin=self._stdin,
                environment=[*self._env, self._mark],
                workdir=self._workdir,
            )
            stream: Stream = self._exec.start(detach=False)
            self.stream = stream
            await stream._init()  # it is opened with the first read else
        return stream

    async def exit_code(self) -> int:
        """Of a command whose output has come to its end; it may still run for a moment."""
        async with engine_call(f"tell how {self._argv[0]!r} ended", None):
            while True:
                found = await self._exec.inspect()
                if not found["Running"]:
                    return int(found["ExitCode"])
                await asyncio.sleep(POLL_SECONDS)

    async def kill(self) -> None:
        """Ends the command, and what it has started."""
        with suppress(BackendError):  # the container has ended, and the command with it
            async with engine_call("end a command", KILL_SECONDS):
                killer = await self._container.exec(
                    ["/opt/ipybox/bin/python", "-I", "-S", "-c", KILL_SCRIPT, self._mark]
                )
                async with killer.start(detach=False) as stream:
                    while await stream.read_out() is not None:
                        pass

    async def close(self) -> None:
        stream, self.stream = self.stream, None
        if stream is not None:
            # aiodocker asserts that there is a connection, which has ended by then.
            with suppress(AssertionError):
                await stream.close()


async def run(
    container: Any,
    argv: Sequence[str],
    *,
    stdin: bytes,
    env: Mapping[str, str] | None,
    workdir: str | None,
    timeout: float,
    on_output: Callable[[Lane, bytes], None] | None,
    max_bytes: int,
) -> ExecResult:
    """:meth:`ipybox.Container.exec`."""
    whole = ["sh", "-c", WITH_INPUT, "sh", str(len(stdin)), *argv] if stdin else list(argv)
    command = Exec(container, whole, stdin=bool(stdin), env=env, workdir=workdir)
    kept: dict[Lane, bytearray] = {"stdout": bytearray(), "stderr": bytearray()}
    cut = 0
    ended = False

    async def write() -> None:
        assert command.stream is not None
        with suppress(ConnectionError, RuntimeError, AssertionError):  # it reads no more
            await command.stream.write_in(stdin)

    deadline = asyncio.timeout(timeout)
    try:
        async with deadline:
            stream = await command.start()
            writer = asyncio.create_task(write(), name="ipybox exec input")
            try:
                async with engine_call(f"run {argv[0]!r}", None):
                    while (message := await stream.read_out()) is not None:
                        lane: Lane = "stderr" if message.stream == 2 else "stdout"
                        if on_output is not None:
                            on_output(lane, message.data)
                        room = max(0, max_bytes - len(kept[lane]))
                        kept[lane] += message.data[:room]
                        cut += max(0, len(message.data) - room)
            finally:
                writer.cancel()
                await asyncio.wait([writer])
            code = await command.exit_code()
            ended = True
    except TimeoutError as error:
        if not deadline.expired():
            raise
        raise EngineTimeoutError(
            f"The command {argv[0]!r} did not end within {timeout} s, and was killed."
        ) from error
    finally:
        await shielded(_end(command, kill=not ended))
    if code in NOT_STARTED and kept["stdout"].startswith(OCI_ERROR):
        reason = kept["stdout"].decode(errors="replace").strip()
        raise BackendError(f"The command {argv[0]!r} could not be started: {reason}")
    return ExecResult(
        exit_code=code, stdout=bytes(kept["stdout"]), stderr=bytes(kept["stderr"]), truncated=cut
    )


async def _end(command: Exec, *, kill: bool) -> None:
    if kill:
        await command.kill()
    await command.close()


class DockerStream(ByteStream):
    """A command's input and output. What it says on stderr is not part of it."""

    def __init__(self, container: Any, argv: Sequence[str]) -> None:
        self._command = Exec(container, argv, stdin=True)
        self._rest = b""
        self._ended = False

    async def open(self) -> DockerStream:
        try:
            await self._command.start()
        except BaseException:
            await shielded(self._command.kill())
            raise
        return self

    async def read(self, size: int = 65536) -> bytes:
        while not self._rest and not self._ended:
            async with engine_call("read from a command", None):
                message = await self._stream.read_out()
            if message is None:
                self._ended = True
            elif message.stream != 2:
                self._rest = message.data
        data, self._rest = self._rest[:size], self._rest[size:]
        return data

    async def write(self, data: bytes) -> None:
        async with engine_call("write to a command", None):
            await self._stream.write_in(data)

    async def write_eof(self) -> None:
        response = self._stream._resp
        transport = response.connection.transport if response and response.connection else None
        if transport is None or not transport.can_write_eof():
            raise UnsupportedError(
                "Over TLS, a command's input can't be ended alone; close the stream instead."
            )
        transport.write_eof()

    async def exit_code(self) -> int:
        return await self._command.exit_code()

    async def aclose(self) -> None:
        if self._command.stream is None:
            return
        await shielded(_end(self._command, kill=not self._ended))

    @property
    def _stream(self) -> Stream:
        if self._command.stream is None:
            raise BackendError("The stream is closed.")
        return self._command.stream
