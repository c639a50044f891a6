"""How kernels are started: forked by the fork server, or else spawned."""

import asyncio
import logging
import os
import shutil
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from jupyter_client.provisioning import KernelProvisionerBase

import ipybox_runtime.kernel
from ipybox_runtime.config import KernelLaunch
from ipybox_runtime.gateway.processes import (
    ForkedProcess,
    ForkServerGoneError,
    KernelProcess,
    SpawnedProcess,
)

PROVISIONER_NAME = "ipybox"
"""Name of the entry point in the group ``jupyter_client.kernel_provisioners``."""

KERNEL_SCRIPT = Path(ipybox_runtime.kernel.__file__).with_name("__main__.py")

log = logging.getLogger(__name__)


class RuntimeProvisioner(KernelProvisionerBase):  # type: ignore[misc]
    """Starts the kernel of a :class:`RuntimeKernelManager`, with its output on the relay.

    Attributes:
        process: The kernel's process; None before the start, and after :meth:`wait`.
        forked: Whether the fork server started the kernel.
    """

    process: KernelProcess | None = None
    forked = False
    _folder: Path | None = None

    @property
    def has_process(self) -> bool:
        return self.process is not None

    async def poll(self) -> int | None:
        """Return None while the kernel runs, else its exit code (0 if it is unknown)."""
        if self.process is None:
            return 0
        if self.process.running:
            return None
        code = self.process.exited.result()
        return 0 if code is None else code

    async def wait(self) -> int | None:
        """Wait for the kernel; return its exit code, None if it is unknown."""
        if self.process is None:
            return 0
        code = await self.process.exited
        self.process = None
        return code

    async def send_signal(self, signum: int) -> None:
        if self.process is not None:
            self.process.signal(signum)

    async def kill(self, restart: bool = False) -> None:
        await self.send_signal(9)

    async def terminate(self, restart: bool = False) -> None:
        await self.send_signal(15)

    async def pre_launch(self, **kwargs: Any) -> dict[str, Any]:
        """Create the connection file, and a temporary folder of the kernel's own."""
        try:
            return await self._prepare(kwargs)
        except BaseException:
            await self._undo()
            raise

    async def _prepare(self, kwargs: dict[str, Any]) -> dict[str, Any]:
        manager = self.parent
        manager.transport = "ipc"
        manager.ip = manager.parent.socket_prefix(self.kernel_id)
        for number, name in enumerate(("shell", "iopub", "stdin", "hb", "control"), 1):
            setattr(manager, f"{name}_port", number)
        manager.write_connection_file()
        self.connection_info = manager.get_connection_info()
        # Removed by its path later, although code may have put something else there by then.
        self._folder = Path(tempfile.mkdtemp(prefix="kernel-"))
        env = {**os.environ, **(kwargs.pop("env", None) or {}), "TMPDIR": str(self._folder)}
        kwargs.pop("extra_arguments", None)
        prepared: dict[str, Any] = await super().pre_launch(cmd=[], env=env, **kwargs)
        return prepared

    async def launch_kernel(self, cmd: list[str], **kwargs: Any) -> Any:
        """Start the kernel's process; return the connection info."""
        relay = self.parent.relay
        launch = KernelLaunch(
            connection_file=self.parent.connection_file,
            secret=relay.secret,
            cwd=str(kwargs.get("cwd") or Path.cwd()),
            env=kwargs["env"],
        )
        try:
            self.process = await self._start(launch)
        except BaseException:
            await self._undo()
            raise
        relay.start()
        return self.connection_info

    async def _undo(self) -> None:
        """Remove everything that was created for a kernel that could not be started."""
        self.parent.relay.finish()
        self.parent.cleanup_connection_file()
        await self.cleanup()

    async def _start(self, launch: KernelLaunch) -> KernelProcess:
        relay = self.parent.relay
        fork_server = self.parent.parent.fork_server
        if fork_server is not None:
            try:
                process = await ForkedProcess.start(fork_server, launch.to_json(), relay.child_fds)
            except ForkServerGoneError as error:
                log.warning(
                    "the fork server does not answer (%s); kernels are spawned without it", error
                )
                self.parent.parent.fork_server = None
            else:
                self.forked = True
                return process
        relay.send_launch(launch.to_json())
        messages = str(relay.child_fds[2])
        return SpawnedProcess(
            [self.parent.parent.kernel_python, str(KERNEL_SCRIPT), messages],
            fds=relay.child_fds, cwd=launch.cwd, env=launch.env,
        )  # fmt: skip

    async def cleanup(self, restart: bool = False) -> None:
        """Remove the kernel's temporary folder."""
        if self._folder is not None:
            # In a thread: code may have filled the folder with anything.
            await asyncio.to_thread(shutil.rmtree, self._folder, ignore_errors=True)

    async def get_provisioner_info(self) -> dict[str, Any]:
        return {"pid": self.process.pid if self.process else None}


def provisioner_metadata() -> Mapping[str, Any]:
    """Return the metadata of a kernel spec that makes this provisioner start its kernels."""
    return {"kernel_provisioner": {"provisioner_name": PROVISIONER_NAME}, "debugger": False}
