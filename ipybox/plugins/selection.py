"""The choice of the backend that is used."""

from __future__ import annotations

import difflib
import os

from ipybox.backend import Backend, BackendDescriptor, check_available
from ipybox.errors import (
    BackendNotFoundError,
    BackendUnavailableError,
    InvalidArgumentError,
    IpyboxError,
)
from ipybox.plugins.registry import PluginRegistry, registry

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
