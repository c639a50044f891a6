"""Commands in a running container."""

from __future__ import annotations

import asyncio
import re
import secrets
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress

from ipybox._async import poll, shielded
from ipybox.backend import ByteStream
from ipybox.engine.base import Engine, StreamName, Streams
from ipybox.engine.inspection import Ref
from ipybox.errors import BackendError, EngineTimeoutError
from ipybox.spec.paths import PYTHON
from ipybox.spec.status import ExecResult, Truncation

MARK_VARIABLE = "IPYBOX_EXEC"
"""Marks a command and all its children, so that they can be found and killed."""
NOT_STARTED = (126, 127)
"""Exit codes of a command that could not be started. A command may return them itself, so the
output has to match OCI_ERROR as well."""
OCI_ERROR = re.compile(rb"OCI runtime (exec failed|attempted|error)|OCI permission denied")
"""What engines print in place of a command's output: Docker to stdout, Podman to stderr."""
KILL_TIMEOUT = 30.0
START_TIMEOUT = 5.0
POLL_INTERVAL = 0.01
MAX_POLL_INTERVAL = 0.25
# No engine can kill what exec has started; so that is done from inside, by the mark in the
# environment. It is repeated until no process is found: those found may have started others.
KILL_SCRIPT = """
import glob, os, sys
mark = sys.argv[1].encode()
for _ in range(1000):
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
# Not every connection can close a command's input alone, so the shell cuts it off by size. What
# the command leaves unread is read for it: an engine may wait for that without end.
WITH_INPUT = """size="$1"; shift
head -c "$size" | { "$@"; code=$?; cat >/dev/null; exit $code; }"""


class Exec:
    """One command in a container.

    Attributes:
        streams: Its standard streams; None before the start and after :meth:`close`.
    """

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
        """Describe a command; :meth:`start` starts it.

        Args:
            engine: The engine.
            ref: A running container.
            argv: The program and its arguments.
            stdin: Whether the command gets a standard input.
            env: Variables on top of the container's.
            workdir: Working directory; None for the container's.
        """
        self.streams: Streams | None = None
        self._engine = engine
        self._ref = ref
        self._argv = list(argv)
        self._stdin = stdin
        self._mark = f"{MARK_VARIABLE}={secrets.token_hex(8)}"
        self._env = [f"{name}={value}" for name, value in (env or {}).items()]
        self._workdir = workdir
        self._id = ""

    async def start(self) -> Streams:
        """Start the command and return its streams.

        Raises:
            BackendError: If the command cannot be started.
        """
        # Runs to completion even if cancelled: without the command's id, it could not be killed.
        return await shielded(self._start())

    async def _start(self) -> Streams:
        self._id = await self._engine.exec_create(
            self._ref, self._argv, stdin=self._stdin, env=[*self._env, self._mark],
            workdir=self._workdir,
        )  # fmt: skip
        self.streams = await self._engine.exec_start(self._id, repr(self._argv[0]))
        return self.streams

    async def exit_code(self) -> int:
        """Wait for the command's exit, and return its exit code."""
        interval = POLL_INTERVAL  # no engine reports the exit by itself
        while (code := await self._engine.exec_code(self._id, repr(self._argv[0]))) is None:
            await asyncio.sleep(interval)
            interval = min(2 * interval, MAX_POLL_INTERVAL)
        return code

    async def kill(self) -> None:
        """Kill the command and its children, as far as the container and the engine are there."""
        if not self._id:
            return
        argv = [PYTHON, "-I", "-S", "-c", KILL_SCRIPT, self._mark]
        with suppress(BackendError, TimeoutError):
            async with asyncio.timeout(KILL_TIMEOUT):
                # An engine may answer before it starts the command, which cannot be found then.
                await poll(self._has_started, every=POLL_INTERVAL, within=START_TIMEOUT)
                killer = await self._engine.exec_create(
                    self._ref, argv, stdin=False, env=(), workdir="/"
                )
                async with await self._engine.exec_start(killer, "a kill script") as streams:
                    while await streams.read() is not None:
                        pass

    async def _has_started(self) -> bool:
        return await self._engine.exec_started(self._id, repr(self._argv[0]))

    async def close(self, *, kill: bool) -> None:
        """Close the streams, after killing the command if asked to."""
        if kill:
            await self.kill()
        streams, self.streams = self.streams, None
        if streams is not None:
            await streams.aclose()


class _Output:
    """What a command has printed so far, up to a limit for each stream."""

    def __init__(
        self, max_bytes: int, on_output: Callable[[StreamName, bytes], None] | None
    ) -> None:
        self.kept: dict[StreamName, bytearray] = {"stdout": bytearray(), "stderr": bytearray()}
        self.truncated = 0
        self._max_bytes = max_bytes
        self._on_output = on_output

    def add(self, stream: StreamName, data: bytes) -> None:
        if self._on_output is not None:
            self._on_output(stream, data)
        room = max(0, self._max_bytes - len(self.kept[stream]))
        self.kept[stream] += data[:room]
        self.truncated += max(0, len(data) - room)

    def result(self, program: str, code: int) -> ExecResult:
        """Return the result of the command; raise BackendError if it was not started."""
        stdout, stderr = bytes(self.kept["stdout"]), bytes(self.kept["stderr"])
        if code in NOT_STARTED and OCI_ERROR.search(stdout or stderr):
            reason = (stdout or stderr).decode(errors="replace").strip()
            raise BackendError(f"The command {program!r} could not be started: {reason}")
        return ExecResult(
            exit_code=code, stdout=stdout, stderr=stderr, truncated=Truncation(text=self.truncated)
        )


async def run_command(
    engine: Engine,
    ref: Ref,
    argv: Sequence[str],
    *,
    stdin: bytes = b"",
    env: Mapping[str, str] | None = None,
    workdir: str | None = None,
    timeout: float,
    on_output: Callable[[StreamName, bytes], None] | None = None,
    max_bytes: int,
) -> ExecResult:
    """Run a command in a container; see :meth:`ipybox.authoring.Container.exec`."""
    whole = ["sh", "-c", WITH_INPUT, "sh", str(len(stdin)), *argv] if stdin else list(argv)
    command = Exec(engine, ref, whole, stdin=bool(stdin), env=env, workdir=workdir)
    output = _Output(max_bytes, on_output)
    finished = False
    deadline = asyncio.timeout(timeout)
    try:
        async with deadline:
            await _collect(command, stdin, output)
            code = await command.exit_code()
            finished = True
    except TimeoutError as error:
        if not deadline.expired():
            raise
        raise EngineTimeoutError(
            f"The command {argv[0]!r} did not finish within {timeout} s and was killed. Give it "
            "a longer timeout."
        ) from error
    finally:
        await shielded(command.close(kill=not finished))
    return output.result(argv[0], code)


async def _collect(command: Exec, stdin: bytes, output: _Output) -> None:
    """Start a command, and pass its input in and its output out until the output ends."""
    streams = await command.start()
    writer = asyncio.create_task(_write(streams, stdin), name="ipybox exec input")
    try:
        while (piece := await streams.read()) is not None:
            output.add(*piece)
    finally:
        writer.cancel()
        await asyncio.wait([writer])


async def _write(streams: Streams, data: bytes) -> None:
    with suppress(BackendError):  # the command does not read any more
        await streams.write(data)


class CommandStream(ByteStream):
    """A command's standard input and output. Its standard error is dropped."""

    def __init__(self, engine: Engine, ref: Ref, argv: Sequence[str]) -> None:
        """Describe a command; :meth:`open` starts it. Arguments as for :class:`Exec`."""
        self._program = argv[0]
        self._command = Exec(engine, ref, argv, stdin=True)
        self._rest = b""
        self._ended = False

    async def open(self) -> CommandStream:
        """Start the command.

        Raises:
            BackendError: If the command cannot be started.
        """
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
        await shielded(self._command.close(kill=not self._ended))

    @property
    def _streams(self) -> Streams:
        if self._command.streams is None:
            raise BackendError(
                f"The stream of the command {self._program!r} is closed. Open another "
                "with open_stream()."
            )
        return self._command.streams
