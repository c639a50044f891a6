"""What the fork server imports, so that its kernels start with it."""

import gc
import importlib
import os
import sys
import warnings
from collections.abc import Callable

PRELOAD_VARIABLE = "IPYBOX_PRELOAD"
"""Environment variable: modules to import besides, separated by commas."""

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


def preload(is_cancelled: Callable[[], bool] = lambda: False) -> list[str]:
    """Import what kernels need, and the modules in IPYBOX_PRELOAD.

    Args:
        is_cancelled: Returns whether the gateway has exited. Called before files are written to the
            home folder, so that a cancelled start leaves none.

    Returns:
        For each module that could not be imported, its name and the reason.

    Raises:
        SystemExit: ``is_cancelled`` returned True.
    """
    gc.disable()  # one collection at the end is enough
    from ipybox_runtime.kernel.app import prepare_shell

    for name in FIRST_CELL:
        _import(name)
    if is_cancelled():
        sys.exit()
    prepare_shell()
    wanted = [name.strip() for name in os.environ.get(PRELOAD_VARIABLE, "").split(",")]
    failed = [failure for name in wanted if name and (failure := _import(name))]
    gc.collect()
    gc.freeze()  # otherwise a collection in a kernel would copy every shared page
    gc.enable()
    return failed


def _import(name: str) -> str | None:
    """Import a module; return why that failed, or None."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            importlib.import_module(name)
    # A library may raise anything while it is imported; kernels start without it.
    except Exception as error:
        return f"{name}: {type(error).__name__}: {error}"
    return None


def reseed() -> None:
    """Give a forked kernel random numbers of its own in NumPy.

    The interpreter does the same for ``random``.
    """
    numpy_random = sys.modules.get("numpy.random")
    if numpy_random is not None:
        numpy_random.seed()
