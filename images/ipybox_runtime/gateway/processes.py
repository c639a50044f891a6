"""A kernel's process, as the gateway sees it: forked by the fork server, or spawned."""

import asyncio
import contextlib
import json
import os
import signal
import socket
import subprocess
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence

EXIT_POLL_SECONDS = 0.05  # only where the system has no pidfd
GROUP_POLL_SECONDS = 0.005  # no system tells when a group has ended


class ForkServerGoneError(Exception):
    """No answer comes from the fork server any more."""


async def until_ready(path: str) -> bool:
    """Returns when the fork server takes orders; False where it has ended before. One that
    is asked for nothing ends the connection, once it has come to read it."""
    try:
        reader, writer = await asyncio.open_unix_connection(path)
        writer.write_eof()
        await reader.read()
    except OSError:
        return False
    writer.close()
    return True


class KernelProcess(ABC):
    """``exited`` is done once it has ended: its exit code, negative for a signal; None
    where nobody can tell."""

    def __init__(self, pid: int) -> None:
        self.pid = pid
        self.exited: asyncio.Future[int | None] = asyncio.get_running_loop().create_future()

    @property
    def running(self) -> bool:
        return not self.exited.done()

    @abstractmethod
    def signal(self, signum: int) -> None:
        """Signals the kernel and what it has started; nothing, once it has ended."""

    async def group_gone(self) -> None:
        """What it had started, and was killed with it, takes a moment more to end than the
        kernel itself. As long as some of it is there, the number is still its own."""
        # On some systems nobody may signal what only waits to be reaped.
        with contextlib.suppress(ProcessLookupError, PermissionError):
            while True:
                os.killpg(self.pid, 0)
                await asyncio.sleep(GROUP_POLL_SECONDS)

    def _has_exited(self, code: int | None) -> None:
        if not self.exited.done():
            self.exited.set_result(code)


class ForkedProcess(KernelProcess):
    """A child of the fork server, which reaps it and passes signals on."""

    def __init__(
        self, pid: int, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        super().__init__(pid)
        self._writer = writer
        self._to_be_killed = False
        self._pidfd = open_pidfd(pid)
        self._watch = asyncio.create_task(self._wait_for_exit(reader), name=f"kernel {pid}")

    @classmethod
    async def start(cls, path: str, launch: str, fds: Sequence[int]) -> "ForkedProcess":
        """Asks the fork server at ``path``. Raises ForkServerGoneError, and OSError where
        the system has no room for another process."""
        connection = socket.socket(socket.AF_UNIX)
        connection.setblocking(False)
        try:
            await asyncio.get_running_loop().sock_connect(connection, path)
            socket.send_fds(connection, [launch.encode() + b"\n"], list(fds))
            reader, writer = await asyncio.open_unix_connection(sock=connection)
            answer = json.loads(await reader.readline())
        except (OSError, ValueError) as error:
            connection.close()
            raise ForkServerGoneError(f"{type(error).__name__}: {error}") from error
        if "error" in answer:
            writer.close()
            raise OSError(answer["error"])
        return cls(answer["pid"], reader, writer)

    def signal(self, signum: int) -> None:
        if not self.running:
            return
        self._to_be_killed = self._to_be_killed or signum == signal.SIGKILL
        if not self._writer.is_closing():
            self._writer.write(b"%d\n" % signum)
        elif self._pidfd is not None:  # the fork server has gone, and the kernel lives on
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self.pid, signum)

    async def _wait_for_exit(self, reader: asyncio.StreamReader) -> None:
        code = None
        try:
            code = json.loads(await reader.readline())["exit"]
        except (OSError, ValueError):
            self._writer.close()
            if self._to_be_killed:  # the fork server may have gone without doing it
                self.signal(signal.SIGKILL)
            await self._until_gone()
        finally:
            self._has_exited(code)
            self._writer.close()
            if self._pidfd is not None:
                os.close(self._pidfd)

    async def _until_gone(self) -> None:
        if self._pidfd is not None:
            await readable(self._pidfd)
            return
        with contextlib.suppress(ProcessLookupError):
            while True:
                os.kill(self.pid, 0)
                await asyncio.sleep(EXIT_POLL_SECONDS)


class SpawnedProcess(KernelProcess):
    """A child of the gateway: the ordinary way, where there is no fork server."""

    def __init__(
        self, argv: Sequence[str], *, fds: Sequence[int], cwd: str, env: Mapping[str, str]
    ) -> None:
        stdout, stderr, messages = fds
        self._process = subprocess.Popen(
            argv, stdin=subprocess.DEVNULL, stdout=stdout, stderr=stderr, pass_fds=[messages],
            cwd=cwd, env=dict(env), start_new_session=True,
        )  # fmt: skip
        super().__init__(self._process.pid)
        self._watch = asyncio.create_task(self._wait_for_exit(), name=f"kernel {self.pid}")

    def signal(self, signum: int) -> None:
        if self.running:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self.pid, signum)

    async def _wait_for_exit(self) -> None:
        pidfd = open_pidfd(self.pid)
        if pidfd is not None:
            await readable(pidfd)
            os.close(pidfd)
        while not _waits_to_be_reaped(self.pid):  # noqa: ASYNC110  # nothing signals it
            await asyncio.sleep(EXIT_POLL_SECONDS)
        # What it has started goes with it; until it is reaped, the number is its own.
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self.pid, signal.SIGKILL)
        self._has_exited(self._process.wait())


def open_pidfd(pid: int) -> int | None:
    """A descriptor that is readable once the process has ended; None where there is none."""
    if not hasattr(os, "pidfd_open"):
        return None
    try:
        return os.pidfd_open(pid)
    except OSError:
        return None


async def readable(fd: int) -> None:
    loop = asyncio.get_running_loop()
    event = asyncio.Event()
    loop.add_reader(fd, event.set)
    try:
        await event.wait()
    finally:
        loop.remove_reader(fd)


def _waits_to_be_reaped(pid: int) -> bool:
    return os.waitid(os.P_PID, pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is not None
