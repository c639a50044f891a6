"""The local backend: a kernel gateway in a subprocess of this process."""

from __future__ import annotations

import importlib.util
import platform
import sys
import tempfile
from pathlib import Path

from ipybox.authoring import Availability, Backend, Capability, Container, ContainerSpec
from ipybox_local.container import LocalContainer

REQUIRED = ("kernel_gateway", "ipykernel", "ipybox_runtime")


class LocalBackend(Backend):
    """A backend that runs the gateway and its kernels as processes of the calling user.

    There is no isolation: it is for development. A container is a private folder with its own
    virtual environment; the folder is removed when the container exits, for whatever reason.
    """

    name = "local"
    capabilities = frozenset({Capability.BINDS, Capability.FIXED_PORT})

    async def availability(self) -> Availability:
        version = f"Python {platform.python_version()}"
        if sys.platform == "win32":
            return Availability(
                ready=False,
                version=version,
                reason="Windows lacks the process groups and signals that this backend needs.",
                remedy="Run it inside WSL, or choose another backend.",
            )
        missing = [name for name in REQUIRED if importlib.util.find_spec(name) is None]
        if missing:
            return Availability(
                ready=False,
                version=version,
                reason=f"not installed: {', '.join(missing)}.",
                remedy="Run: pip install 'ipybox[local]'",
            )
        return Availability(ready=True, version=version)

    async def create(self, spec: ContainerSpec) -> Container:
        return LocalContainer(spec, _temporary_folder() / spec.name)


def _temporary_folder() -> Path:
    return Path(tempfile.gettempdir()).absolute()
