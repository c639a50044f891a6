"""Choosing a backend, and checking that it is ready and can do what a spec asks for."""

from __future__ import annotations

import difflib
import os

from ipybox.backend import Backend, BackendDescriptor, Capability
from ipybox.errors import (
    BackendNotFoundError,
    BackendUnavailableError,
    InvalidArgumentError,
    IpyboxError,
    UnsupportedError,
)
from ipybox.plugins.registry import PluginRegistry, registry
from ipybox.spec.container import ContainerSpec

BACKEND_VARIABLE = "IPYBOX_BACKEND"
PREFERRED = ("docker", "podman")

LOCAL_HINT = (
    'For development there is backend="local": it runs the code as a process of your own '
    "user, and protects neither your files, nor your network, nor your secrets."
)


async def choose_backend(backend: str | Backend | None) -> Backend:
    """Choose a backend that is ready.

    Args:
        backend: Name of a backend, a backend, or None. None means the backend named by the
            environment variable ``IPYBOX_BACKEND``; if that is not set, the first backend that
            isolates and is ready: Docker, Podman, then those of plugins.

    Returns:
        The backend.

    Raises:
        InvalidArgumentError: If ``backend`` has another type.
        BackendNotFoundError: If no backend has that name.
        BackendUnavailableError: If the backend can't be loaded or is not ready; without a name,
            if no backend that isolates is ready.
    """
    if isinstance(backend, Backend):
        await check_available(backend)
        return backend
    if backend is not None and not isinstance(backend, str):
        raise InvalidArgumentError(
            f"backend must be a name, a Backend or None, got {type(backend).__name__}."
        )
    name = backend if backend is not None else os.environ.get(BACKEND_VARIABLE)
    if name:
        chosen = load_backend(name)
        await check_available(chosen)
        return chosen
    if backend is not None:
        raise BackendNotFoundError(
            "backend must not be an empty str. Pass a name, or leave it out."
        )
    return await _first_isolating(registry())


def load_backend(name: str) -> Backend:
    """Load a backend by name, whether it is ready or not.

    Args:
        name: Name of the backend.

    Returns:
        A new instance of the backend.

    Raises:
        BackendNotFoundError: If no backend has that name.
        BackendUnavailableError: If the backend can't be loaded.
        IpyboxError: If the plugin raised one while it loaded the backend.
    """
    known = registry().backends
    if name not in known:
        raise BackendNotFoundError(_unknown(name, registry()))
    return _instantiate(known[name])


def check_capabilities(backend: Backend, spec: ContainerSpec) -> None:
    """Check that a backend supports everything that a spec asks for.

    Raises:
        UnsupportedError: For the first feature that it does not support.
    """
    wanted = {
        Capability.BINDS: bool(spec.binds),
        Capability.READ_ONLY_BINDS: any(bind.read_only for bind in spec.binds),
        Capability.FIXED_PORT: spec.port is not None,
        Capability.RESOURCES: spec.resources is not None,
        Capability.PORTS: bool(spec.ports),
        Capability.LABELS: bool(spec.labels),
        Capability.USER: spec.user is not None,
        Capability.GPUS: spec.gpus is not None,
        Capability.RUNTIMES: spec.runtime is not None,
        Capability.ENGINE_INIT: spec.engine_init,
        Capability.READ_ONLY_ROOT: spec.read_only_root,
        Capability.LEASES: spec.lease is None,
    }
    for capability, asked_for in wanted.items():
        if asked_for and capability not in backend.capabilities:
            raise UnsupportedError(
                f"The backend {backend.name!r} does not support {capability.value}. "
                "Leave that out, or choose another backend."
            )


async def check_available(backend: Backend) -> None:
    """Check that a backend is ready.

    Raises:
        BackendUnavailableError: With the reason and the remedy, if it is not.
    """
    state = await backend.availability()
    if not state.ready:
        raise BackendUnavailableError(
            " ".join(
                filter(
                    None,
                    [
                        f"The backend {backend.name!r} is not ready:",
                        state.reason or "no reason was given.",
                        state.remedy,
                    ],
                )
            )
        )


async def _first_isolating(plugins: PluginRegistry) -> Backend:
    isolating = [item for item in plugins.backends.values() if item.isolation != "none"]
    isolating.sort(key=lambda item: _rank(item.name))
    tried: list[str] = []
    for descriptor in isolating:
        try:
            backend = _instantiate(descriptor)
            await check_available(backend)
        except IpyboxError as error:
            tried.append(f"- {descriptor.name}: {error}")
        else:
            return backend
    absent = [name for name in PREFERRED if name not in plugins.backends]
    tried += [f"- {name}: {_why_missing(name, plugins)}" for name in absent]
    raise BackendUnavailableError(
        "No backend that isolates the code is ready. Tried:\n"
        + "\n".join(tried)
        + f"\nRun `ipybox doctor` for details. {LOCAL_HINT}"
    )


def _rank(name: str) -> int:
    return PREFERRED.index(name) if name in PREFERRED else len(PREFERRED)


def _instantiate(descriptor: BackendDescriptor) -> Backend:
    try:
        return descriptor.load()()
    except IpyboxError:
        raise
    # load() runs a plugin's own code, and imports its engine's library.
    except Exception as error:
        raise BackendUnavailableError(
            f"The backend {descriptor.name!r} can't be loaded: {type(error).__name__}: {error}. "
            f"If it is a built-in backend, run: pip install 'ipybox[{descriptor.name}]'"
        ) from error


def _why_missing(name: str, plugins: PluginRegistry) -> str:
    for report in plugins.reports:
        if report.name == name:
            return f"Its plugin is {report.status}. {' '.join(report.problems)}".strip()
    return "No installed plugin provides it."


def _unknown(name: str, plugins: PluginRegistry) -> str:
    close = difflib.get_close_matches(name, plugins.backends, n=1)
    hint = f" Did you mean {close[0]!r}?" if close else ""
    if any(report.name == name for report in plugins.reports):
        hint = f" A plugin has that name. {_why_missing(name, plugins)}"
    return (
        f"There is no backend {name!r}.{hint} "
        f"Installed: {', '.join(sorted(plugins.backends)) or 'none'}."
    )
