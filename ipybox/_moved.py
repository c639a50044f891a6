"""Old import paths of public names, which work for one more release, with a warning."""

from __future__ import annotations

import importlib
import sys
import warnings
from collections.abc import Callable, Mapping, Sequence
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec
from types import ModuleType

OLD_MODULES = {
    "ipybox.execution": "ipybox.kernel.execution",
    "ipybox.hookspecs": "ipybox.plugins.hookspecs",
    "ipybox.reports": "ipybox.spec.status",
    "ipybox.resources": "ipybox.spec.resources",
    "ipybox.selection": "ipybox.plugins.selection",
}
"""Modules that are gone, and the module that now holds their public names."""

MOVED_ON = {"ipybox.resources.GATEWAY_PORT": "ipybox.spec.paths.GATEWAY_PORT"}
"""Names of old modules that are not in the module that holds the others."""


def moved_names(module: str, moved: Mapping[str, str]) -> Callable[[str], object]:
    """Make the ``__getattr__`` of a module that public names have left.

    Args:
        module: The module's own name, as in ``__name__``.
        moved: The old name to the full path of the new one, as in
            ``{"Stats": "ipybox.spec.status.Stats"}``.

    Returns:
        A function for ``__getattr__``: it returns the object from its new place and warns with a
        DeprecationWarning that names that place. For a submodule of ``OLD_MODULES`` it returns the
        module, whose names warn. It raises AttributeError for other names.
    """

    def find(name: str) -> object:
        old = f"{module}.{name}"
        if old in OLD_MODULES:
            return importlib.import_module(old)
        if name not in moved:
            raise AttributeError(f"module {module!r} has no attribute {name!r}")
        _warn(old, moved[name])
        return _load(moved[name])

    return find


def public_path(path: str) -> str:
    """Return the path from which users import an object, which may be another than ``path``.

    Args:
        path: Where the object is defined, as in ``"ipybox.spec.status.Stats"``.

    Returns:
        The path in ``ipybox`` or ``ipybox.authoring``; ``path`` if neither has the object.
    """
    name = path.rpartition(".")[2]
    for public in ("ipybox", "ipybox.authoring"):
        module = importlib.import_module(public)
        if name in module.__all__ and getattr(module, name) is _load(path):
            return f"{public}.{name}"
    return path


def serve_old_modules() -> None:
    """Let the modules of ``OLD_MODULES`` be imported. Calling it again changes nothing."""
    if not any(isinstance(finder, _OldModuleFinder) for finder in sys.meta_path):
        sys.meta_path.append(_OldModuleFinder())


class _OldModuleFinder(MetaPathFinder, Loader):
    """Finds the old modules, after every other finder has failed to."""

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        return ModuleSpec(fullname, self) if fullname in OLD_MODULES else None

    def exec_module(self, module: ModuleType) -> None:
        new_module = importlib.import_module(OLD_MODULES[module.__name__])

        def find(name: str) -> object:
            old = f"{module.__name__}.{name}"
            new = MOVED_ON.get(old, f"{new_module.__name__}.{name}")
            value = _load(new)
            if not name.startswith("__"):
                _warn(old, public_path(new))
            return value

        module.__dict__["__getattr__"] = find


def _load(path: str) -> object:
    module, _, name = path.rpartition(".")
    return getattr(importlib.import_module(module), name)


def _warn(old: str, new: str) -> None:
    warnings.warn(
        f"{old} has moved to {new}. The old import path will stop working in the next release.",
        DeprecationWarning,
        stacklevel=3,
    )
