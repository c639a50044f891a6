"""How kernels start, and how their death becomes known."""

import asyncio
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from jupyter_client.ioloop.restarter import AsyncIOLoopKernelRestarter
from jupyter_client.kernelspec import KernelSpec, KernelSpecManager
from kernel_gateway.services.kernels.manager import (
    KernelGatewayIOLoopKernelManager,
    SeedingMappingKernelManager,
)
from traitlets import Dict, Unicode

KERNEL_NAME = "python3"
KERNEL_SCRIPT = str(Path(__file__).with_name("kernel.py"))
DEATH_POLL_SECONDS = 0.05  # only where the system has no pidfd


class RuntimeKernelSpecManager(KernelSpecManager):  # type: ignore[misc]
    """Knows one kernel, and never searches the disk for others."""

    kernel_python = Unicode(sys.executable, config=True)
    kernel_env = Dict(config=True)

    def get_kernel_spec(self, kernel_name: str) -> KernelSpec:
        return KernelSpec(
            argv=[self.kernel_python, KERNEL_SCRIPT, "-f", "{connection_file}"],
            display_name="Python 3",
            language="python",
            env=dict(self.kernel_env),
            metadata={"debugger": False},
        )

    def find_kernel_specs(self) -> dict[str, str]:
        return {KERNEL_NAME: ""}


class DeathWatch(AsyncIOLoopKernelRestarter):  # type: ignore[misc]
    """Stands where Jupyter has a restarter: tells of a death, restarts nothing.

    A silent new kernel would answer as if the variables had never been there.
    """

    _stop_watching: Callable[[], None] | None = None

    def start(self) -> None:
        self.stop()
        process = self.kernel_manager.provisioner.process
        if process is not None:
            self._stop_watching = watch_exit(process, self._died)

    def stop(self) -> None:
        if self._stop_watching is not None:
            self._stop_watching()
            self._stop_watching = None

    async def poll(self) -> None:
        """Unused: the death is signalled, not polled for."""

    def _died(self, exit_code: int) -> None:
        self._stop_watching = None
        if not self.kernel_manager.shutting_down:
            self.kernel_manager.exit_code = exit_code
            self.kernel_manager.died.set()
            self._fire_callbacks("dead")


def watch_exit(
    process: "subprocess.Popen[bytes]", on_exit: Callable[[int], None]
) -> Callable[[], None]:
    """Calls ``on_exit(returncode)`` once, from the running loop; returns a canceller."""
    loop = asyncio.get_running_loop()
    if not hasattr(os, "pidfd_open"):
        task = loop.create_task(_poll_exit(process, on_exit))

        def stop_polling() -> None:
            task.cancel()

        return stop_polling
    fd = os.pidfd_open(process.pid)

    def cancel() -> None:
        loop.remove_reader(fd)
        os.close(fd)

    def readable() -> None:
        cancel()
        on_exit(process.wait())

    loop.add_reader(fd, readable)
    return cancel


async def _poll_exit(process: "subprocess.Popen[bytes]", on_exit: Callable[[int], None]) -> None:
    while (code := process.poll()) is None:  # noqa: ASYNC110  # nothing signals it
        await asyncio.sleep(DEATH_POLL_SECONDS)
    on_exit(code)


class RuntimeKernelManager(KernelGatewayIOLoopKernelManager):  # type: ignore[misc]
    """One kernel. ``died`` is set, and ``exit_code`` known, once its process has ended."""

    exit_code: int | None = None

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.died = asyncio.Event()
        self.restarter_class = DeathWatch
        # A kernel that is stuck in a cell does not answer a shutdown request.
        self.shutdown_wait_time = 1.0

    async def _async_launch_kernel(self, kernel_cmd: list[str], **kwargs: Any) -> Any:
        # What the code prints reaches the client as messages; the kernel's copy
        # of it would only fill the container's log.
        kwargs.update(stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
        kwargs.update(stderr=subprocess.DEVNULL)
        return await super()._async_launch_kernel(kernel_cmd, **kwargs)


class RuntimeMultiKernelManager(SeedingMappingKernelManager):  # type: ignore[misc]
    """All kernels of one gateway."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._workdir = Path.cwd()

    async def start_kernel(self, *args: Any, **kwargs: Any) -> Any:
        # Code may have removed the working folder, and with it the gateway's own.
        self._workdir.mkdir(parents=True, exist_ok=True)
        os.chdir(self._workdir)
        return await super().start_kernel(*args, **kwargs)

    def _kernel_manager_class_default(self) -> str:
        return f"{RuntimeKernelManager.__module__}.{RuntimeKernelManager.__name__}"
