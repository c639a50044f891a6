"""Keeps slow imports out of the gateway's process that it has no use for."""

import importlib
import os
import sys
from types import ModuleType

# Each is an optional format checker of jsonschema: jsonschema tries the import
# and does without it when it fails. The first builds a grammar at import and
# takes over a second; the gateway validates nothing that needs any of them.
SLOW_OPTIONAL = (
    "rfc3987_syntax",
    "rfc3987",
    "rfc3986_validator",
    "rfc3339_validator",
    "isoduration",
    "fqdn",
    "webcolors",
    "uri_template",
)

# Jupyter's server takes names from these when it is imported. Ours serves no notebooks and
# emits no events; a fifth of the imports' time would be theirs.
UNUSED = (
    "nbformat",
    "nbformat.sign",
    "nbformat.v4",
    "jupyter_events",
    "jupyter_events.logger",
    "jupyter_events.schema_registry",
)
JUPYTER = ("jupyter_", "kernel_gateway", "nbformat", "ipybox_runtime.gateway")


class Placeholder(ModuleType):
    """In the place of a module. Each of its names is a class, as those who import it want for
    their declarations."""

    def __getattr__(self, name: str) -> type:
        if name.startswith("__"):
            raise AttributeError(name)
        from traitlets.config import LoggingConfigurable

        made = type(name, (LoggingConfigurable,), {"__module__": self.__name__})
        setattr(self, name, made)
        return made


def import_gateway() -> ModuleType:
    """:mod:`ipybox_runtime.gateway.app`, without what it does not use. Where some version of
    Jupyter's does not do without, with all of it."""
    for name in SLOW_OPTIONAL:
        sys.modules.setdefault(name, None)  # type: ignore[arg-type]  # None: "import fails"
    for name in UNUSED:
        package, _, module = name.rpartition(".")
        sys.modules[name] = Placeholder(name)
        if package:
            setattr(sys.modules[package], module, sys.modules[name])
    try:
        return importlib.import_module("ipybox_runtime.gateway.app")
    except Exception as error:
        print(f"imported anew, in full: {error!r}", file=sys.stderr, flush=True)
        for name in [name for name in sys.modules if name.startswith(JUPYTER)]:
            del sys.modules[name]
        return importlib.import_module("ipybox_runtime.gateway.app")


DEBUGGER_VARIABLE = "IPYBOX_DEBUGGER"


def block_debugger() -> None:
    """Half of a kernel's start would be the import of the debugger, which hardly anybody
    attaches. ``IPYBOX_DEBUGGER=1`` in the container's environment brings it back."""
    if os.environ.get(DEBUGGER_VARIABLE) == "1":
        return
    sys.modules.setdefault("debugpy", None)  # type: ignore[arg-type]  # as above
