"""Kernels, from their start to the telling of how they ended."""

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
POLITE_SECONDS = 1.0
"""How long an idle kernel may take to end when it is asked to."""
GROUP_SECONDS = 2.0
"""How long is waited for what a kernel had started, once it has been killed with it."""
MAX_SOCKET_FOLDER = 92  # of the 104 to 108 characters that systems allow for a socket's path


class RuntimeKernelSpecManager(KernelSpecManager):  # type: ignore[misc]
    """Knows one kernel, and never searches the disk for others."""

    def get_kernel_spec(self, kernel_name: str) -> KernelSpec:
        return KernelSpec(
            argv=[], display_name="Python 3", language="python", metadata=provisioner_metadata()
        )

    def find_kernel_specs(self) -> dict[str, str]:
        return {KERNEL_NAME: ""}


class Sessions:
    """The clients of one kernel. While one of them is full, the kernel waits."""

    def __init__(self, manager: "RuntimeKernelManager") -> None:
        self._manager = manager
        self._by_id: dict[str, ClientSession] = {}

    def __iter__(self) -> Iterator[ClientSession]:
        return iter(self._by_id.values())

    def get(self, session_id: str) -> ClientSession | None:
        return self._by_id.get(session_id)

    def add(self, session_id: str, *, resumable: bool, max_message: int) -> ClientSession:
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
        for session in self._by_id.values():
            session.push(frame)
        if any(session.full for session in self._by_id.values()):
            self._manager.relay.pause()

    def absent(self, session: ClientSession, *, for_good: bool) -> None:
        """Its connection has ended. Unless for good, it is kept for a while."""
        session.wire = None
        if for_good:
            self.drop(session)
            return
        seconds = self._manager.parent.absence_seconds
        session.absence = asyncio.get_running_loop().call_later(seconds, self.drop, session)

    def drop(self, session: ClientSession) -> None:
        if self._by_id.get(session.session_id) is session:
            del self._by_id[session.session_id]
        session.close()
        self._check_room()

    def close(self) -> None:
        for session in list(self._by_id.values()):
            self.drop(session)

    def _check_room(self) -> None:
        if not any(session.full for session in self._by_id.values()):
            self._manager.relay.resume()


class RuntimeKernelManager(AsyncIOLoopKernelManager):  # type: ignore[misc]
    """One kernel. It is never restarted: a silent new kernel would answer as if the
    variables had never been there."""

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
        self._sent_junk = False
        self._memory_kills = out_of_memory_kills()
        self._watch: asyncio.Task[None] | None = None

    async def _async_post_start_kernel(self, **kwargs: Any) -> None:
        process = self.provisioner.process
        assert process is not None
        self._watch = asyncio.create_task(self._wait_for_exit(), name="kernel exit")
        # Its sockets are there when it says so: a connection made before would be tried
        # again a tenth of a second later.
        ends: set[asyncio.Future[Any]] = {self.relay.hello, process.exited}
        await asyncio.wait(ends, return_when=asyncio.FIRST_COMPLETED)
        self.came_up = self.relay.hello.done() and not self.relay.hello.cancelled()
        self._connect_control_socket()

    async def shutdown_kernel(self, now: bool = False, restart: bool = False) -> None:
        """Asks an idle kernel to end, and ends it if it does not."""
        self.shutting_down = True
        process = self.provisioner.process
        if process is not None:
            if not now and process.running and self.execution_state == "idle":
                await self._async_request_shutdown(restart)
                await asyncio.wait({process.exited}, timeout=POLITE_SECONDS)
            process.signal(9)
            await asyncio.wait({process.exited})
            await self._group_gone(process)
        if self._watch is not None:
            await asyncio.wait({self._watch})
        self.sessions.close()
        await self._async_cleanup_resources(restart)

    async def _group_gone(self, process: KernelProcess) -> None:
        try:
            async with asyncio.timeout(GROUP_SECONDS):
                await process.group_gone()
        except TimeoutError:  # killed, but the system has not let it go, or nobody has reaped it
            self.log.warning("what kernel %s had started is still ending", self.kernel_id)

    def death_frame(self) -> Frame:
        """How it ended; Jupyter's status "dead", with more in it."""
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
            if not self._sent_junk:  # said once: code could fill the log with it
                self.log.warning("kernel %s sent what is no message", self.kernel_id)
            self._sent_junk = True
            return
        if len(frame) < 4096 and b'"execution_state"' in frame:
            self.execution_state = "busy" if b'"busy"' in frame else "idle"
        self.sessions.push(frame)


class RuntimeMultiKernelManager(SeedingMappingKernelManager):  # type: ignore[misc]
    """All kernels of one gateway."""

    kernel_python = Unicode(sys.executable, config=True)
    absence_seconds = 60.0
    fork_server: str | None = None
    fork_server_ready = False
    closing = False
    """The container ends: that is what clients are to be told, and not that kernels do."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._workdir = Path.cwd()
        self._sockets = Path(tempfile.mkdtemp(prefix="k-"))
        if len(str(self._sockets)) > MAX_SOCKET_FOLDER:
            self._sockets.rmdir()
            self._sockets = Path(tempfile.mkdtemp(prefix="k-", dir="/tmp"))  # short

    def socket_prefix(self, kernel_id: str) -> str:
        """Where a kernel's sockets are; the folder is this user's alone."""
        return str(self._sockets / kernel_id[:8])

    async def start_kernel(self, *args: Any, **kwargs: Any) -> Any:
        # Code may have removed the working folder, and with it the gateway's own.
        self._workdir.mkdir(parents=True, exist_ok=True)
        os.chdir(self._workdir)
        return await super().start_kernel(*args, **kwargs)

    def start_watching_activity(self, kernel_id: str) -> None:
        """The relay sees all; nothing else listens."""
        kernel = self._kernels[kernel_id]
        kernel.reason = ""
        kernel.last_activity = utcnow()
        kernel.execution_state = "dead" if kernel.exited else "idle"

    def stop_watching_activity(self, kernel_id: str) -> None:
        """As :meth:`start_watching_activity`."""

    def forget_later(self, kernel_id: str) -> None:
        """A dead kernel is kept until its client has been told, or is taken for gone."""
        loop = asyncio.get_running_loop()
        loop.call_later(self.absence_seconds, lambda: loop.create_task(self._forget(kernel_id)))

    async def _forget(self, kernel_id: str) -> None:
        if kernel_id in self:
            await self.shutdown_kernel(kernel_id, now=True)

    async def close(self) -> None:
        self.closing = True
        await self.shutdown_all(now=True)
        shutil.rmtree(self._sockets, ignore_errors=True)

    def _kernel_manager_class_default(self) -> str:
        return f"{RuntimeKernelManager.__module__}.{RuntimeKernelManager.__name__}"
