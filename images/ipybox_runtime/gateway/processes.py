"""A kernel's process as the gateway sees it: forked by the fork server, or spawned."""

import asyncio
import contextlib
import json
import os
import signal
import socket
import subprocess
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence

EXIT_POLL_INTERVAL = 0.05
"""Seconds between two checks whether a process has exited, on systems without pidfd."""

GROUP_POLL_INTERVAL = 0.005
"""Seconds between two checks whether a process group is gone: no system notifies of that."""


class ForkServerGoneError(Exception):
    """The fork server no longer answers."""


async def wait_until_ready(path: str) -> bool:
    """Wait until the fork server takes requests.

    A fork server that is asked for nothing closes the connection, once it has started to read it.

    Args:
        path: The fork server's socket.

    Returns:
        False if the fork server has exited before it was ready.
    """
    try:
        reader, writer = await asyncio.open_unix_connection(path)
        writer.write_eof()
        await reader.read()
    except OSError:
        return False
    writer.close()
    return True


class KernelProcess(ABC):
    """A kernel's process and its process group.

    Attributes:
        pid: Its process id, which is its process group's, too.
        exited: Done once the kernel has exited, with the exit code: negative for a signal, None if
            it is unknown.
    """

    def __init__(self, pid: int) -> None:
        self.pid = pid
        self.exited: asyncio.Future[int | None] = asyncio.get_running_loop().create_future()

    @property
    def running(self) -> bool:
        return not self.exited.done()

    @abstractmethod
    def signal(self, signum: int) -> None:
        """Signal the kernel and what it has started; do nothing after it has exited."""

    async def wait_for_group(self) -> None:
        """Wait for the rest of the process group, which was killed with the kernel.

        Its processes take a moment longer to exit than the kernel itself. As long as one of them
        exists, the number belongs to no other process group.
        """
        # Some systems do not permit signals to processes that only wait to be reaped.
        with contextlib.suppress(ProcessLookupError, PermissionError):
            while True:
                os.killpg(self.pid, 0)
                await asyncio.sleep(GROUP_POLL_INTERVAL)

    def _has_exited(self, code: int | None) -> None:
        if not self.exited.done():
            self.exited.set_result(code)


class ForkedProcess(KernelProcess):
    """A child of the fork server, which reaps it and forwards signals to it."""

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
        """Have the fork server start a kernel.

        Args:
            path: The fork server's socket.
            launch: The kernel's :class:`KernelLaunch` as JSON.
            fds: The kernel's stdout, stderr and message socket.

        Raises:
            ForkServerGoneError: The fork server does not answer.
            OSError: The system has no process or no memory left.
        """
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
        elif self._pidfd is not None:  # the fork server has exited, and the kernel lives on
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self.pid, signum)

    async def _wait_for_exit(self, reader: asyncio.StreamReader) -> None:
        code = None
        try:
            code = json.loads(await reader.readline())["exit"]
        except (OSError, ValueError):
            self._writer.close()
            if self._to_be_killed:  # the fork server may have exited before it forwarded that
                self.signal(signal.SIGKILL)
            await self._wait_until_gone()
        finally:
            self._has_exited(code)
            self._writer.close()
            if self._pidfd is not None:
                os.close(self._pidfd)

    async def _wait_until_gone(self) -> None:
        if self._pidfd is not None:
            await readable(self._pidfd)
            return
        with contextlib.suppress(ProcessLookupError):
            while True:
                os.kill(self.pid, 0)
                await asyncio.sleep(EXIT_POLL_INTERVAL)


class SpawnedProcess(KernelProcess):
    """A child of the gateway, for when there is no fork server.

    Args:
        argv: The command.
        fds: The kernel's stdout, stderr and message socket.
        cwd: Its working directory.
        env: Its whole environment.

    Raises:
        OSError: The command cannot be started.
    """

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
        while not _waits_to_be_reaped(self.pid):  # noqa: ASYNC110  # nothing notifies of it
            await asyncio.sleep(EXIT_POLL_INTERVAL)
        # Also kill the processes that the kernel started. Until the kernel is reaped, its
        # number belongs to no other process group.
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self.pid, signal.SIGKILL)
        self._has_exited(self._process.wait())


def open_pidfd(pid: int) -> int | None:
    """Return a descriptor that becomes readable when the process exits.

    None if the system has no pidfd, or the process does not exist.
    """
    if not hasattr(os, "pidfd_open"):
        return None
    try:
        return os.pidfd_open(pid)
    except OSError:
        return None


async def readable(fd: int) -> None:
    """Wait until the descriptor is readable."""
    loop = asyncio.get_running_loop()
    event = asyncio.Event()
    loop.add_reader(fd, event.set)
    try:
        await event.wait()
    finally:
        loop.remove_reader(fd)


def _waits_to_be_reaped(pid: int) -> bool:
    return os.waitid(os.P_PID, pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is not None
