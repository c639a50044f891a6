"""Kernels, from their start until their clients know how they exited."""

import asyncio
import os
import shutil
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from jupyter_client.ioloop import AsyncIOLoopKernelManager
from jupyter_client.kernelspec import KernelSpec, KernelSpecManager
from jupyter_server._tz import utcnow
from kernel_gateway.services.kernels.manager import SeedingMappingKernelManager
from traitlets import Unicode

from ipybox_runtime.gateway.processes import KernelProcess
from ipybox_runtime.gateway.provisioner import RuntimeProvisioner, provisioner_metadata
from ipybox_runtime.gateway.relay import Frame, Relay
from ipybox_runtime.gateway.sessions import ClientSession
from ipybox_runtime.memory import out_of_memory_kills
from ipybox_runtime.wire import NO_PARENT, is_message

KERNEL_NAME = "python3"

SHUTDOWN_GRACE = 1.0
"""Seconds that an idle kernel has to exit after a shutdown request."""

GROUP_EXIT_TIMEOUT = 2.0
"""Seconds to wait for the rest of a kernel's process group after it was killed."""

MAX_SOCKET_FOLDER = 92
"""Longest path of the folder for sockets: systems allow 104 to 108 characters for a socket."""


class RuntimeKernelSpecManager(KernelSpecManager):  # type: ignore[misc]
    """Knows one kernel, and never searches the disk for others."""

    def get_kernel_spec(self, kernel_name: str) -> KernelSpec:
        return KernelSpec(
            argv=[], display_name="Python 3", language="python", metadata=provisioner_metadata()
        )

    def find_kernel_specs(self) -> dict[str, str]:
        return {KERNEL_NAME: ""}


class Sessions:
    """The clients of one kernel. While one of them is full, the kernel waits.

    Args:
        manager: The kernel's manager.
    """

    def __init__(self, manager: "RuntimeKernelManager") -> None:
        self._manager = manager
        self._by_id: dict[str, ClientSession] = {}

    def __iter__(self) -> Iterator[ClientSession]:
        return iter(self._by_id.values())

    def get(self, session_id: str) -> ClientSession | None:
        return self._by_id.get(session_id)

    def add(self, session_id: str, *, resumable: bool, max_message: int) -> ClientSession:
        """Create and return the session of a new client.

        Args:
            session_id: The client's Jupyter session.
            resumable: Whether the client counts frames and may come back.
            max_message: Bytes of the largest message that the client accepts.
        """
        session = ClientSession(
            self._manager, session_id, resumable=resumable, max_message=max_message,
            on_room=self._check_room,
        )  # fmt: skip
        self._by_id[session_id] = session
        self._manager.relay.max_message = max_message
        if self._manager.exited:
            session.push(self._manager.death_frame())
        return session

    def push(self, frame: Frame) -> None:
        """Send a frame to all clients; pause the kernel's output if one of them is full."""
        for session in self._by_id.values():
            session.push(frame)
        if any(session.full for session in self._by_id.values()):
            self._manager.relay.pause()

    def disconnected(self, session: ClientSession, *, for_good: bool) -> None:
        """Note that a session's connection is closed.

        Args:
            session: The session.
            for_good: Whether the client will not come back. Otherwise the session is kept for
                ``absence_seconds``.
        """
        session.wire = None
        if for_good:
            self.drop(session)
            return
        seconds = self._manager.parent.absence_seconds
        session.absence = asyncio.get_running_loop().call_later(seconds, self.drop, session)

    def drop(self, session: ClientSession) -> None:
        """Forget a session."""
        if self._by_id.get(session.session_id) is session:
            del self._by_id[session.session_id]
        session.close()
        self._check_room()

    def close(self) -> None:
        """Forget all sessions."""
        for session in list(self._by_id.values()):
            self.drop(session)

    def _check_room(self) -> None:
        if not any(session.full for session in self._by_id.values()):
            self._manager.relay.resume()


class RuntimeKernelManager(AsyncIOLoopKernelManager):  # type: ignore[misc]
    """Manages one kernel. Never restarts it: a new kernel would answer as if the variables had
    never existed, and no client would notice.

    Attributes:
        exit_code: How the kernel exited; negative for a signal, None if unknown or running.
        out_of_memory: Whether the system killed the kernel because memory ran out.
        exited: Whether the kernel has exited.
        came_up: Whether the kernel was ever ready for clients.
        relay: Reads the kernel's output.
        sessions: The kernel's clients.
    """

    exit_code: int | None = None
    out_of_memory = False
    exited = False
    came_up = False
    provisioner: RuntimeProvisioner

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.autorestart = False
        self.relay = Relay(self._on_frame)
        self.sessions = Sessions(self)
        self._logged_malformed = False
        self._memory_kills = out_of_memory_kills()
        self._watch: asyncio.Task[None] | None = None

    async def _async_post_start_kernel(self, **kwargs: Any) -> None:
        process = self.provisioner.process
        assert process is not None
        self._watch = asyncio.create_task(self._wait_for_exit(), name="kernel exit")
        # The kernel says hello once its sockets exist. A connection made before that would be
        # tried again a tenth of a second later.
        outcomes: set[asyncio.Future[Any]] = {self.relay.hello, process.exited}
        await asyncio.wait(outcomes, return_when=asyncio.FIRST_COMPLETED)
        self.came_up = self.relay.hello.done() and not self.relay.hello.cancelled()
        self._connect_control_socket()

    async def shutdown_kernel(self, now: bool = False, restart: bool = False) -> None:
        """Ask an idle kernel to exit, and kill the kernel if it has not after SHUTDOWN_GRACE.

        Args:
            now: Whether to kill the kernel without asking.
            restart: Passed on to jupyter_client.
        """
        self.shutting_down = True
        process = self.provisioner.process
        if process is not None:
            if not now and process.running and self.execution_state == "idle":
                await self._async_request_shutdown(restart)
                await asyncio.wait({process.exited}, timeout=SHUTDOWN_GRACE)
            process.signal(9)
            await asyncio.wait({process.exited})
            await self._wait_for_group(process)
        if self._watch is not None:
            await asyncio.wait({self._watch})
        self.sessions.close()
        await self._async_cleanup_resources(restart)

    async def _wait_for_group(self, process: KernelProcess) -> None:
        try:
            async with asyncio.timeout(GROUP_EXIT_TIMEOUT):
                await process.wait_for_group()
        except TimeoutError:  # killed, but held by the system, or not reaped by its parent
            self.log.warning(
                "child processes of kernel %s still exist %g s after they were killed",
                self.kernel_id, GROUP_EXIT_TIMEOUT,
            )  # fmt: skip

    def death_frame(self) -> Frame:
        """Return the message that says how the kernel exited.

        Jupyter's status "dead" (Jupyter messaging 5.4, status), with more fields.
        """
        content: dict[str, object] = {
            "execution_state": "dead",
            "exit_code": self.exit_code,
            "out_of_memory": self.out_of_memory,
        }
        return self.relay.message(NO_PARENT, "status", content)

    async def _wait_for_exit(self) -> None:
        process = self.provisioner.process
        assert process is not None
        self.exit_code = await process.exited
        kills = out_of_memory_kills()
        self.out_of_memory = self.exit_code == -9 and kills > self._memory_kills
        try:
            self.relay.finish()
        finally:
            self.exited = True
            self.execution_state = "dead"
            if not self.parent.closing:
                self.sessions.push(self.death_frame())
        if not self.shutting_down:
            self.parent.forget_later(self.kernel_id)

    def _on_frame(self, frame: Frame) -> None:
        self.last_activity = utcnow()
        if not is_message(frame):
            if not self._logged_malformed:  # code could fill the log otherwise
                self.log.warning(
                    "kernel %s sent a malformed message; dropping it (logged once per kernel)",
                    self.kernel_id,
                )
            self._logged_malformed = True
            return
        if len(frame) < 4096 and b'"execution_state"' in frame:
            self.execution_state = "busy" if b'"busy"' in frame else "idle"
        self.sessions.push(frame)


class RuntimeMultiKernelManager(SeedingMappingKernelManager):  # type: ignore[misc]
    """All kernels of one gateway.

    Attributes:
        kernel_python: The interpreter for kernels that are spawned.
        absence_seconds: Seconds after which an absent client, or a dead kernel, is forgotten.
        fork_server: Path of the fork server's socket. None without a fork server, or after it has
            died.
        fork_server_ready: Whether the fork server takes requests.
        closing: Whether the gateway is stopping. Then clients are notified of the container's end
            by their connections, and not of the end of each kernel.
    """

    kernel_python = Unicode(sys.executable, config=True)
    absence_seconds = 60.0
    fork_server: str | None = None
    fork_server_ready = False
    closing = False

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._workdir = Path.cwd()
        self._sockets = Path(tempfile.mkdtemp(prefix="k-"))
        if len(str(self._sockets)) > MAX_SOCKET_FOLDER:
            self._sockets.rmdir()
            self._sockets = Path(tempfile.mkdtemp(prefix="k-", dir="/tmp"))  # a short path

    def socket_prefix(self, kernel_id: str) -> str:
        """Return the path that a kernel's sockets begin with, in a folder of this user's only."""
        return str(self._sockets / kernel_id[:8])

    async def start_kernel(self, *args: Any, **kwargs: Any) -> Any:
        # Code may have removed the working directory, which is the gateway's, too.
        self._workdir.mkdir(parents=True, exist_ok=True)
        os.chdir(self._workdir)
        return await super().start_kernel(*args, **kwargs)

    def start_watching_activity(self, kernel_id: str) -> None:
        """Set the kernel's first state. The relay sees all that follows."""
        kernel = self._kernels[kernel_id]
        kernel.reason = ""
        kernel.last_activity = utcnow()
        kernel.execution_state = "dead" if kernel.exited else "idle"

    def stop_watching_activity(self, kernel_id: str) -> None:
        """Do nothing: :meth:`start_watching_activity` starts nothing that would have to stop."""

    def forget_later(self, kernel_id: str) -> None:
        """Forget a dead kernel after ``absence_seconds``, once its clients have been notified or
        have disconnected."""
        loop = asyncio.get_running_loop()
        loop.call_later(self.absence_seconds, lambda: loop.create_task(self._forget(kernel_id)))

    async def _forget(self, kernel_id: str) -> None:
        if kernel_id in self:
            await self.shutdown_kernel(kernel_id, now=True)

    async def close(self) -> None:
        """Kill all kernels, and remove their sockets."""
        self.closing = True
        await self.shutdown_all(now=True)
        shutil.rmtree(self._sockets, ignore_errors=True)

    def _kernel_manager_class_default(self) -> str:
        return f"{RuntimeKernelManager.__module__}.{RuntimeKernelManager.__name__}"
