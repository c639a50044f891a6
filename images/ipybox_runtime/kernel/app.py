"""The IPython kernel, with its output on the outlet."""

import atexit
import functools
import json
import logging
import os
import signal
import socket
import sys
import threading
from collections.abc import Callable
from types import FrameType
from typing import Any

from ipykernel.compiler import XCachingCompiler
from ipykernel.ipkernel import IPythonKernel
from ipykernel.kernelapp import IPKernelApp
from ipykernel.zmqshell import ZMQInteractiveShell
from IPython.core.profiledir import ProfileDir, ProfileDirError
from IPython.paths import get_ipython_dir
from jupyter_client.jsonutil import json_default
from traitlets.config import Config

from ipybox_runtime.config import KernelLaunch
from ipybox_runtime.kernel.names import HELLO
from ipybox_runtime.kernel.outlet import PARENT, Outlet, end_process
from ipybox_runtime.kernel.parents import keep_parents
from ipybox_runtime.kernel.streams import Console

FIGURE_VARIABLE = "IPYBOX_FIGURE_FORMAT"
"""Of matplotlib's inline figures: "png", or "svg"."""


class RuntimeKernel(IPythonKernel):  # type: ignore[misc]
    """Takes interrupts between writes, and knows whose output a thread shows."""

    outlet: Outlet

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        # One that was prepared before the fork has not heard of us.
        self.shell.kernel = self.shell.parent = self
        self.outlet.in_user_code = self.runs_user_code

    def pre_handler_hook(self) -> None:
        self.outlet.forget_interrupt()
        self.saved_sigint_handler = signal.signal(signal.SIGINT, self.outlet.interrupt)

    def post_handler_hook(self) -> None:
        super().post_handler_hook()
        self.outlet.forget_interrupt()

    def runs_user_code(self, frame: FrameType | None) -> bool:
        """Whether a cell, or what it has called, is where the interpreter is."""
        namespace = self.shell.user_global_ns
        while frame is not None and frame.f_globals is not namespace:
            frame = frame.f_back
        return frame is not None

    def get_parent(self, channel: str | None = None) -> dict[str, Any]:
        parent: dict[str, Any] = super().get_parent(channel)
        own = PARENT.get(None)
        if channel is None and own is not None and parent:
            header = json.loads(own)
            if header.get("msg_id") != parent.get("header", {}).get("msg_id"):
                return {"header": header}
        return parent


class KernelApp(IPKernelApp):  # type: ignore[misc]
    """ipykernel's application, without what the outlet replaces and nobody listens to."""

    console: Console

    def parse_command_line(self, argv: list[str] | None = None) -> None:
        """There is none; to build the parser for it takes longer than all else."""

    def load_config_file(self, suppress_errors: bool | None = None) -> None:
        """What :func:`settings` says holds, whatever files there are."""

    def init_crash_handler(self) -> None:
        """What is not caught goes to stderr, as in any program."""

    def init_sockets(self) -> None:
        self.session.pack = functools.partial(pack, self.session.pack)
        super().init_sockets()

    def init_poller(self) -> None:
        """The gateway ends its kernels; the fork server may go before them."""

    def init_iopub(self, context: Any) -> None:
        self.configure_tornado_logger()
        self.iopub_socket = self.iopub_thread = self.console.outlet
        self.console.outlet.say(HELLO)

    def init_heartbeat(self) -> None:
        """The gateway sees the process itself."""

    def write_connection_file(self, **kwargs: Any) -> None:
        """The gateway has written it, and nothing has changed."""

    def log_connection_info(self) -> None:
        """Nobody else connects."""

    def init_io(self) -> None:
        sys.stdout, sys.stderr = self.console.stdout, self.console.stderr
        from ipykernel.displayhook import ZMQDisplayHook

        self.displayhook = ZMQDisplayHook(self.session, self.iopub_socket)
        sys.displayhook = self.displayhook
        self.patch_io()

    def init_kernel(self) -> None:
        RuntimeKernel.outlet = self.console.outlet
        super().init_kernel()

    def init_path(self) -> None:
        super().init_path()
        # Where it was started stays importable when the code goes elsewhere.
        sys.path.insert(sys.path.index("") + 1 if "" in sys.path else 0, os.getcwd())

    def reset_io(self) -> None:
        self.console.flush()
        super().reset_io()


def pack(otherwise: Callable[[Any], bytes], value: Any) -> bytes:
    """JSON that is UTF-8, whatever surrogates the code has put into its strings."""
    try:
        text = json.dumps(value, default=json_default, ensure_ascii=False, allow_nan=False)
    except (TypeError, ValueError):
        return otherwise(value)  # Jupyter's own, which cleans what JSON does not have
    return text.encode("utf-8", "replace")


def settings() -> Config:
    """What differs from IPython's defaults: a program reads the output, nobody types."""
    figure_format = os.environ.get(FIGURE_VARIABLE, "png")
    values = Config()
    values.InteractiveShell.colors = "nocolor"
    values.HistoryManager.enabled = False
    # Its first answer takes seconds, and it runs what it completes all the same.
    values.IPCompleter.use_jedi = False
    values.InlineBackend.figure_formats = {figure_format}
    values.KernelApp.kernel_class = RuntimeKernel
    values.KernelApp.log_level = logging.CRITICAL  # its stderr is the code's
    values.RuntimeKernel._execute_sleep = 0.0  # nothing is sent by another thread
    return values


def prepare_shell() -> None:
    """Makes the shell that kernels will find, and runs an empty cell in it, so that all
    that is made at first use is made before the fork."""
    folder = get_ipython_dir()
    try:
        profile = ProfileDir.find_profile_dir_by_name(folder, "default")  # type: ignore[no-untyped-call]
    except ProfileDirError:
        profile = ProfileDir.create_profile_dir_by_name(folder, "default")  # type: ignore[no-untyped-call]
    shell = ZMQInteractiveShell.instance(
        config=settings(), profile_dir=profile, compiler_class=XCachingCompiler
    )
    shell.run_cell("pass", store_history=False, silent=True)


def run_kernel(launch: KernelLaunch, messages_fd: int) -> None:
    """Runs a kernel in this process, until it is asked to end."""
    os.set_inheritable(messages_fd, False)
    messages = socket.socket(fileno=messages_fd)
    # Copies of our own: the code may turn 1 and 2 elsewhere.
    outlet = Outlet([os.dup(1), os.dup(2)], messages, launch.secret)
    console = Console(outlet)
    _say_all_at_exit(console)
    keep_parents()
    app = KernelApp.instance(config=settings(), connection_file=launch.connection_file)
    app.console = console
    app.initialize([])
    app.start()
    _end()


def _end() -> None:
    """Ends as the interpreter does, but for taking itself apart: that would copy each page
    that is shared with the fork server, to no purpose."""
    threading._shutdown()  # type: ignore[attr-defined]  # waits for threads, as its name does not say
    atexit._run_exitfuncs()
    for stream in (sys.__stdout__, sys.__stderr__):
        if stream is not None:
            stream.flush()
    end_process(0)


def _say_all_at_exit(console: Console) -> None:
    """``os._exit`` ends the process without the usual flush; what was printed is sent first."""
    end = os._exit

    @functools.wraps(end)
    def flush_and_exit(status: int) -> None:
        try:
            console.flush()
        finally:  # whatever becomes of the text: who calls this must not go on
            end(status)

    os._exit = flush_and_exit  # type: ignore[assignment]
