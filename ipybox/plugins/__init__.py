"""Hooks, the registry of plugins, and the choice of a backend."""

import typing as _typing

from ipybox import _moved

if not _typing.TYPE_CHECKING:  # type checkers report the old names as missing
    __getattr__ = _moved.moved_names(
        __name__,
        {
            "DISABLE_VARIABLE": "ipybox.plugins.registry.DISABLE_VARIABLE",
            "PluginRegistry": "ipybox.plugins.registry.PluginRegistry",
            "PluginReport": "ipybox.plugins.registry.PluginReport",
        },
    )
