"""What the fork server imports, so that kernels have it already."""

import gc
import importlib
import os
import sys
import warnings
from collections.abc import Callable

PRELOAD_VARIABLE = "IPYBOX_PRELOAD"

# What IPython and ipykernel import when they start, and at their first cell.
FIRST_CELL = (
    "IPython.core.async_helpers",
    "IPython.core.completer",
    "IPython.core.completerlib",
    "IPython.core.debugger",
    "IPython.core.display_functions",
    "IPython.core.displayhook",
    "IPython.core.logger",
    "IPython.core.magics",
    "IPython.core.oinspect",
    "IPython.core.payloadpage",
    "IPython.core.pylabtools",
    "IPython.core.tbtools",
    "IPython.extensions.storemagic",
    "IPython.utils.capture",
    "IPython.utils.wildcard",
    "asyncio",
    "concurrent.futures.thread",
    "faulthandler",
    "ipykernel.debugger",
    "ipykernel.displayhook",
    "ipykernel.subshell_manager",
    "ipykernel.zmqshell",
    "tornado.locks",
    "tornado.platform.asyncio",
    "tornado.queues",
    "unicodedata",
    "zmq.eventloop.zmqstream",
)


def preload(is_over: Callable[[], bool] = lambda: False) -> list[str]:
    """Imports all of it, and the user's own; returns what could not be imported, and why.

    ``is_over``: nobody wants it any more; asked before anything is made in the home, which
    would stay for ever where that has gone. Raises SystemExit then.
    """
    gc.disable()  # one collection at the end will do
    from ipybox_runtime.kernel.app import prepare_shell

    for name in FIRST_CELL:
        _import(name)
    if is_over():
        sys.exit()
    prepare_shell()
    wanted = [name.strip() for name in os.environ.get(PRELOAD_VARIABLE, "").split(",")]
    failed = [failure for name in wanted if name and (failure := _import(name))]
    gc.collect()
    gc.freeze()  # a collection in a kernel would else copy every page
    gc.enable()
    return failed


def _import(name: str) -> str | None:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            importlib.import_module(name)
    # A library may raise anything while it is imported; kernels start without it.
    except Exception as error:
        return f"{name}: {type(error).__name__}: {error}"
    return None


def reseed() -> None:
    """Random numbers of a kernel are its own (the interpreter has seen to ``random``)."""
    numpy_random = sys.modules.get("numpy.random")
    if numpy_random is not None:
        numpy_random.seed()
