"""Which request output belongs to: that of a thread belongs to the execution that started it."""

import concurrent.futures
import contextvars
import json
import threading
from collections.abc import Callable
from typing import Any

from ipykernel.zmqshell import ZMQInteractiveShell

CURRENT_REQUEST: contextvars.ContextVar[bytes] = contextvars.ContextVar("ipybox_current_request")
"""JSON of the header of the request that this thread or task works for.

Where it is unset, output belongs to the request that the kernel has received last.
"""


def pass_request_to_threads() -> None:
    """Make threads, and the tasks of thread pools, inherit the request of the code that starts
    them.

    Patches ``threading.Thread.start`` and ``ThreadPoolExecutor.submit``. asyncio's tasks inherit
    it without help.
    """
    start, submit = threading.Thread.start, concurrent.futures.ThreadPoolExecutor.submit

    def start_with_request(thread: threading.Thread) -> None:
        request = CURRENT_REQUEST.get(None)
        if request is not None:
            run = thread.run

            def run_with_request() -> None:
                del thread.run  # back to the class's own; ours would keep the thread alive
                _adopt(request)
                run()

            thread.run = run_with_request  # type: ignore[method-assign]
        start(thread)

    def submit_with_request(
        pool: Any, task: Callable[..., Any], /, *args: Any, **kwargs: Any
    ) -> "concurrent.futures.Future[Any]":
        return submit(pool, _run_with_request, CURRENT_REQUEST.get(None), task, args, kwargs)

    threading.Thread.start = start_with_request  # type: ignore[assignment,method-assign]
    concurrent.futures.ThreadPoolExecutor.submit = submit_with_request  # type: ignore[method-assign]


def _run_with_request(
    request: bytes | None, task: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]
) -> Any:
    if request is not None:
        _adopt(request)
    return task(*args, **kwargs)


def _adopt(request: bytes) -> None:
    """Assign what this thread prints and displays to the request."""
    if CURRENT_REQUEST.get(None) is request:
        return
    CURRENT_REQUEST.set(request)
    if ZMQInteractiveShell.initialized():
        ZMQInteractiveShell.instance().set_thread_parent({"header": json.loads(request)})
