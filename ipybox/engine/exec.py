"""Commands in a running container."""

from __future__ import annotations

import asyncio
import re
import secrets
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress

from ipybox._async import shielded
from ipybox.backend import ByteStream
from ipybox.engine.base import Engine, Lane, Ref, Streams
from ipybox.errors import BackendError, EngineTimeoutError
from ipybox.spec.paths import PYTHON
from ipybox.spec.status import ExecResult, Truncation

EXEC_VARIABLE = "IPYBOX_EXEC"
NOT_STARTED = (126, 127)
OCI_ERROR = re.compile(rb"OCI runtime (exec failed|attempted|error)|OCI permission denied")
"""How engines say so: in the command's place, Docker on stdout and Podman on stderr."""
KILL_SECONDS = 30.0
START_SECONDS = 5.0
POLL_SECONDS = 0.01
# An engine can't end what exec has started; what it started carries a mark in its environment.
KILL_SCRIPT = """
import glob, os, sys
mark = sys.argv[1].encode()
for _ in range(1000):  # again, until no pass finds one: they may have started others meanwhile
    found = False
    for path in glob.glob("/proc/[0-9]*/environ"):
        try:
            with open(path, "rb") as file:
                if mark in file.read().split(b"\\0"):
                    found = True
                    os.kill(int(path.split("/")[2]), 9)
        except OSError:
            pass
    if not found:
        break
"""
WITH_INPUT = """size="$1"; shift
head -c "$size" | { "$@"; code=$?; cat >/dev/null; exit $code; }"""
"""Not each connection can end a command's input alone: so its size is told before. What the
command does not read is read for it: an engine would wait for that, at times for ever."""


class Exec:
    """One command, with its standard streams."""

    def __init__(
        self,
        engine: Engine,
        ref: Ref,
        argv: Sequence[str],
        *,
        stdin: bool,
        env: Mapping[str, str] | None = None,
        workdir: str | None = None,
    ) -> None:
        self._engine = engine
        self._ref = ref
        self._argv = list(argv)
        self._stdin = stdin
        self._mark = f"{EXEC_VARIABLE}={secrets.token_hex(8)}"
        self._env = [f"{name}={value}" for name, value in (env or {}).items()]
        self._workdir = workdir
        self._id = ""
        self.streams: Streams | None = None

    async def start(self) -> Streams:
        # To its end, also where it is cancelled: what the engine was asked for must be known,
        # to be ended.
        return await shielded(self._start())

    async def _start(self) -> Streams:
        self._id = await self._engine.exec_create(
            self._ref, self._argv, stdin=self._stdin, env=[*self._env, self._mark],
            workdir=self._workdir,
        )  # fmt: skip
        self.streams = await self._engine.exec_start(self._id, repr(self._argv[0]))
        return self.streams

    async def exit_code(self) -> int:
        """Of a command whose output has come to its end; it may still run for a moment."""
        while True:
            code = await self._engine.exec_code(self._id, repr(self._argv[0]))
            if code is not None:
                return code
            await asyncio.sleep(POLL_SECONDS)  # no engine tells it by itself

    async def kill(self) -> None:
        """Ends the command, and what it has started."""
        if not self._id:
            return
        argv = [PYTHON, "-I", "-S", "-c", KILL_SCRIPT, self._mark]
        # The container may have ended, and the command with it.
        with suppress(BackendError, TimeoutError):
            async with asyncio.timeout(KILL_SECONDS):
                await self._wait_for_start()
                killer = await self._engine.exec_create(
                    self._ref, argv, stdin=False, env=(), workdir="/"
                )
                streams = await self._engine.exec_start(killer, "the end of a command")
                try:
                    while await streams.read() is not None:
                        pass
                finally:
                    await streams.aclose()

    async def _wait_for_start(self) -> None:
        """An engine may answer before it starts the command, which can't be found then."""
        deadline = time.monotonic() + START_SECONDS
        while time.monotonic() < deadline:
            if await self._engine.exec_started(self._id, repr(self._argv[0])):
                return
            await asyncio.sleep(POLL_SECONDS)

    async def close(self) -> None:
        streams, self.streams = self.streams, None
        if streams is not None:
            await streams.aclose()


async def run_command(
    engine: Engine,
    ref: Ref,
    argv: Sequence[str],
    *,
    stdin: bytes = b"",
    env: Mapping[str, str] | None = None,
    workdir: str | None = None,
    timeout: float,
    on_output: Callable[[Lane, bytes], None] | None = None,
    max_bytes: int,
) -> ExecResult:
    """:meth:`ipybox.authoring.Container.exec`."""
    whole = ["sh", "-c", WITH_INPUT, "sh", str(len(stdin)), *argv] if stdin else list(argv)
    command = Exec(engine, ref, whole, stdin=bool(stdin), env=env, workdir=workdir)
    kept: dict[Lane, bytearray] = {"stdout": bytearray(), "stderr": bytearray()}
    cut = 0
    ended = False

    async def write(streams: Streams) -> None:
        with suppress(BackendError):  # it reads no more
            await streams.write(stdin)

    deadline = asyncio.timeout(timeout)
    try:
        async with deadline:
            streams = await command.start()
            writer = asyncio.create_task(write(streams), name="ipybox exec input")
            try:
                while (piece := await streams.read()) is not None:
                    lane, data = piece
                    if on_output is not None:
                        on_output(lane, data)
                    room = max(0, max_bytes - len(kept[lane]))
                    kept[lane] += data[:room]
                    cut += max(0, len(data) - room)
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
    said = bytes(kept["stdout"] or kept["stderr"])
    if code in NOT_STARTED and OCI_ERROR.search(said):
        reason = said.decode(errors="replace").strip()
        raise BackendError(f"The command {argv[0]!r} could not be started: {reason}")
    return ExecResult(
        exit_code=code,
        stdout=bytes(kept["stdout"]),
        stderr=bytes(kept["stderr"]),
        truncated=Truncation(text=cut),
    )


async def _end(command: Exec, *, kill: bool) -> None:
    if kill:
        await command.kill()
    await command.close()


class CommandStream(ByteStream):
    """A command's input and output. What it says on stderr is not part of it."""

    def __init__(self, engine: Engine, ref: Ref, argv: Sequence[str]) -> None:
        self._command = Exec(engine, ref, argv, stdin=True)
        self._rest = b""
        self._ended = False

    async def open(self) -> CommandStream:
        try:
            await self._command.start()
        except BaseException:
            await shielded(self._command.kill())
            raise
        return self

    async def read(self, size: int = 65536) -> bytes:
        while not self._rest and not self._ended:
            piece = await self._streams.read()
            if piece is None:
                self._ended = True
            elif piece[0] == "stdout":
                self._rest = piece[1]
        data, self._rest = self._rest[:size], self._rest[size:]
        return data

    async def write(self, data: bytes) -> None:
        await self._streams.write(data)

    async def write_eof(self) -> None:
        await self._streams.write_eof()

    async def exit_code(self) -> int:
        return await self._command.exit_code()

    async def aclose(self) -> None:
        if self._command.streams is None:
            return
        await shielded(_end(self._command, kill=not self._ended))

    @property
    def _streams(self) -> Streams:
        if self._command.streams is None:
            raise BackendError("The stream is closed.")
        return self._command.streams
