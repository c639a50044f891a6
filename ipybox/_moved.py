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


def moved_names(module: str, moved: Mapping[str, str]) -> Callable[[str], object]:
    """Make the ``__getattr__`` of a module that public names have left.

    Args:
        module: The module's own name, as in ``__name__``.
        moved: The old name to the full path of the new one, as in
            ``{"Stats": "ipybox.spec.status.Stats"}``.

    Returns:
        A function for ``__getattr__``: it returns the object from its new place and warns with a
        DeprecationWarning that names that place. It raises AttributeError for other names.
    """

    def find(name: str) -> object:
        if name not in moved:
            raise AttributeError(f"module {module!r} has no attribute {name!r}")
        place, _, new_name = moved[name].rpartition(".")
        _warn(f"{module}.{name}", moved[name])
        return getattr(importlib.import_module(place), new_name)

    return find


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
            value = getattr(new_module, name)
            if not name.startswith("__"):
                _warn(f"{module.__name__}.{name}", f"{new_module.__name__}.{name}")
            return value

        module.__dict__["__getattr__"] = find


def _warn(old: str, new: str) -> None:
    warnings.warn(
        f"{old} has moved to {new}. The old import path will stop working in the next release.",
        DeprecationWarning,
        stacklevel=3,
    )
