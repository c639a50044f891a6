"""Which backend is used."""

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
    "user and protects neither your files, nor your network, nor your secrets from it."
)


async def choose_backend(backend: str | Backend | None) -> Backend:
    """A ready backend.

    The one named or given, else ``IPYBOX_BACKEND``, else the first that isolates.
    Raises BackendNotFoundError for an unknown name, BackendUnavailableError where it
    is not ready or, without a name, where none that isolates is.
    """
    if isinstance(backend, Backend):
        await check_available(backend)
        return backend
    if backend is not None and not isinstance(backend, str):
        raise InvalidArgumentError(
            f"backend is a {type(backend).__name__}; it must be a name, a Backend or None."
        )
    name = backend if backend is not None else os.environ.get(BACKEND_VARIABLE)
    if name:
        chosen = load_backend(name)
        await check_available(chosen)
        return chosen
    if backend is not None:
        raise BackendNotFoundError("backend is an empty text; give a name or leave it out.")
    return await _first_that_isolates(registry())


def load_backend(name: str) -> Backend:
    """The backend of that name, ready or not.

    Raises BackendNotFoundError, or BackendUnavailableError where it can't be loaded.
    """
    known = registry().backends
    if name not in known:
        raise BackendNotFoundError(_unknown(name, registry()))
    return _instantiate(known[name])


async def _first_that_isolates(plugins: PluginRegistry) -> Backend:
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
    tried += [f"- {name}: {_missing(name, plugins)}" for name in absent]
    raise BackendUnavailableError(
        "No backend that isolates is ready. Tried:\n"
        + "\n".join(tried)
        + f"\n`ipybox doctor` tells more. {LOCAL_HINT}"
    )


def _rank(name: str) -> int:
    return PREFERRED.index(name) if name in PREFERRED else len(PREFERRED)


def _instantiate(descriptor: BackendDescriptor) -> Backend:
    try:
        return descriptor.load()()
    except IpyboxError:
        raise
    # A plugin's own code, and the import of its engine's library.
    except Exception as error:
        raise BackendUnavailableError(
            f"The backend {descriptor.name!r} can't be loaded: {type(error).__name__}: {error}. "
            f"For a built-in backend, run: pip install 'ipybox[{descriptor.name}]'"
        ) from error


def _missing(name: str, plugins: PluginRegistry) -> str:
    for report in plugins.reports:
        if report.name == name:
            return f"its plugin is {report.status}. {' '.join(report.problems)}".strip()
    return "no installed plugin provides it."


def _unknown(name: str, plugins: PluginRegistry) -> str:
    close = difflib.get_close_matches(name, plugins.backends, n=1)
    hint = f" Did you mean {close[0]!r}?" if close else ""
    if any(report.name == name for report in plugins.reports):
        hint = f" A plugin of that name was found: {_missing(name, plugins)}"
    return (
        f"There is no backend {name!r}.{hint} "
        f"Installed: {', '.join(sorted(plugins.backends)) or 'none'}."
    )
