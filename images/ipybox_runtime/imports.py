"""Keeps slow imports out of processes that have no use for them."""

import importlib
import os
import sys
from types import ModuleType

# Optional format checkers of jsonschema, which tries to import them and does without when that
# fails. The first builds a grammar when it is imported and takes over a second. The gateway
# validates nothing that needs any of them.
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

# jupyter_server imports names from these. The gateway serves no notebooks and emits no events;
# importing them would take a fifth of the time for all imports.
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
    """A module that takes another's place. Each of its names is a class, because importers use
    the names in declarations."""

    def __getattr__(self, name: str) -> type:
        if name.startswith("__"):
            raise AttributeError(name)
        from traitlets.config import LoggingConfigurable

        made = type(name, (LoggingConfigurable,), {"__module__": self.__name__})
        setattr(self, name, made)
        return made


def import_gateway() -> ModuleType:
    """Import and return :mod:`ipybox_runtime.gateway.app`, without the modules it does not use.

    If a version of Jupyter's packages needs one of them, import again with all of them, and log it.
    """
    for name in SLOW_OPTIONAL:
        # None makes the import fail.
        sys.modules.setdefault(name, None)  # type: ignore[arg-type]
    for name in UNUSED:
        package, _, module = name.rpartition(".")
        sys.modules[name] = Placeholder(name)
        if package:
            setattr(sys.modules[package], module, sys.modules[name])
    try:
        return importlib.import_module("ipybox_runtime.gateway.app")
    except Exception as error:
        message = f"importing the gateway again, without placeholders: {error!r}"
        print(message, file=sys.stderr, flush=True)
        for name in [name for name in sys.modules if name.startswith(JUPYTER)]:
            del sys.modules[name]
        return importlib.import_module("ipybox_runtime.gateway.app")


DEBUGGER_VARIABLE = "IPYBOX_DEBUGGER"
"""Environment variable of the container: "1" lets kernels import debugpy."""


def block_debugger() -> None:
    """Make ``import debugpy`` fail in this process, unless IPYBOX_DEBUGGER is "1".

    Importing the debugger takes half of a kernel's start, and hardly any client attaches one.
    """
    if os.environ.get(DEBUGGER_VARIABLE) == "1":
        return
    # None makes the import fail.
    sys.modules.setdefault("debugpy", None)  # type: ignore[arg-type]
