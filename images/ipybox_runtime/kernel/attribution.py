"""Output of a thread belongs to the execution that started it, or gave it its task."""

import concurrent.futures
import json
import threading
from collections.abc import Callable
from typing import Any

from ipykernel.zmqshell import ZMQInteractiveShell

from ipybox_runtime.kernel.outlet import PARENT


def keep_parents() -> None:
    """Threads, and the tasks of thread pools, take over the request of who starts them.

    asyncio's tasks do so by themselves.
    """
    start, submit = threading.Thread.start, concurrent.futures.ThreadPoolExecutor.submit

    def start_with_parent(thread: threading.Thread) -> None:
        parent = PARENT.get(None)
        if parent is not None:
            run = thread.run

            def run_with_parent() -> None:
                del thread.run  # the class's own again; it would keep the thread alive
                _take_over(parent)
                run()

            thread.run = run_with_parent  # type: ignore[method-assign]
        start(thread)

    def submit_with_parent(
        pool: Any, task: Callable[..., Any], /, *args: Any, **kwargs: Any
    ) -> "concurrent.futures.Future[Any]":
        return submit(pool, _with_parent, PARENT.get(None), task, args, kwargs)

    threading.Thread.start = start_with_parent  # type: ignore[assignment,method-assign]
    concurrent.futures.ThreadPoolExecutor.submit = submit_with_parent  # type: ignore[method-assign]


def _with_parent(
    parent: bytes | None, task: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]
) -> Any:
    if parent is not None:
        _take_over(parent)
    return task(*args, **kwargs)


def _take_over(parent: bytes) -> None:
    """For this thread: what it prints, and what it displays."""
    if PARENT.get(None) is parent:
        return
    PARENT.set(parent)
    if ZMQInteractiveShell.initialized():
        ZMQInteractiveShell.instance().set_thread_parent({"header": json.loads(parent)})
