"""The IPython kernel, with its output on an :class:`OutputChannel`."""

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
from ipybox_runtime.kernel.attribution import CURRENT_REQUEST, pass_request_to_threads
from ipybox_runtime.kernel.output import OutputChannel, end_process
from ipybox_runtime.kernel.streams import Console
from ipybox_runtime.wire import HELLO

FIGURE_VARIABLE = "IPYBOX_FIGURE_FORMAT"
"""Environment variable: the format of matplotlib's inline figures, "png" (the default) or "svg"."""


class RuntimeKernel(IPythonKernel):  # type: ignore[misc]
    """A kernel that takes interrupts between writes, and displays a thread's output under the
    thread's own request."""

    output: OutputChannel

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        # A shell that was prepared before the fork does not know its kernel yet.
        self.shell.kernel = self.shell.parent = self
        self.output.in_user_code = self.runs_user_code

    def pre_handler_hook(self) -> None:
        """Take over SIGINT before a request is handled."""
        self.output.forget_interrupt()
        self.saved_sigint_handler = signal.signal(signal.SIGINT, self.output.interrupt)

    def post_handler_hook(self) -> None:
        """Restore the handler, and drop an interrupt that came too late."""
        super().post_handler_hook()
        self.output.forget_interrupt()

    def runs_user_code(self, frame: FrameType | None) -> bool:
        """Return whether the frame is a cell's, or that of a function a cell has called."""
        namespace = self.shell.user_global_ns
        while frame is not None and frame.f_globals is not namespace:
            frame = frame.f_back
        return frame is not None

    def get_parent(self, channel: str | None = None) -> dict[str, Any]:
        """Return this thread's request; ipykernel would return the channel's most recent one."""
        parent: dict[str, Any] = super().get_parent(channel)
        own = CURRENT_REQUEST.get(None)
        if channel is None and own is not None and parent:
            header = json.loads(own)
            if header.get("msg_id") != parent.get("header", {}).get("msg_id"):
                return {"header": header}
        return parent


class KernelApp(IPKernelApp):  # type: ignore[misc]
    """ipykernel's application, without the parts that the output channel replaces or that have no
    user here."""

    console: Console

    def parse_command_line(self, argv: list[str] | None = None) -> None:
        """Do nothing: there are no arguments, and building the parser takes longer than all
        else."""

    def load_config_file(self, suppress_errors: bool | None = None) -> None:
        """Do nothing: :func:`settings` holds, whatever configuration files exist."""

    def init_crash_handler(self) -> None:
        """Do nothing: an uncaught exception goes to stderr, as in any program."""

    def init_sockets(self) -> None:
        self.session.pack = functools.partial(pack, self.session.pack)
        super().init_sockets()

    def init_poller(self) -> None:
        """Do nothing: the gateway stops its kernels, and the fork server may exit before them."""

    def init_iopub(self, context: Any) -> None:
        """Put the output channel in the place of the iopub socket, and greet the gateway."""
        self.configure_tornado_logger()
        self.iopub_socket = self.iopub_thread = self.console.output
        self.console.output.send_to_gateway(HELLO)

    def init_heartbeat(self) -> None:
        """Do nothing: the gateway watches the process itself."""

    def write_connection_file(self, **kwargs: Any) -> None:
        """Do nothing: the gateway has written the file, and nothing has changed."""

    def log_connection_info(self) -> None:
        """Do nothing: only the gateway connects."""

    def init_io(self) -> None:
        """Install the console's streams and ipykernel's display hook."""
        sys.stdout, sys.stderr = self.console.stdout, self.console.stderr
        from ipykernel.displayhook import ZMQDisplayHook

        self.displayhook = ZMQDisplayHook(self.session, self.iopub_socket)
        sys.displayhook = self.displayhook
        self.patch_io()

    def init_kernel(self) -> None:
        RuntimeKernel.output = self.console.output
        super().init_kernel()

    def init_path(self) -> None:
        super().init_path()
        # The start folder stays importable when the code changes the working directory.
        sys.path.insert(sys.path.index("") + 1 if "" in sys.path else 0, os.getcwd())

    def reset_io(self) -> None:
        self.console.flush()
        super().reset_io()


def pack(otherwise: Callable[[Any], bytes], value: Any) -> bytes:
    """Serialize a part of a message as JSON that is valid UTF-8.

    Lone surrogates, which code can put into its strings, become "?".

    Args:
        otherwise: Jupyter's own function, for values that JSON does not have: it cleans them.
        value: The part of the message.
    """
    try:
        text = json.dumps(value, default=json_default, ensure_ascii=False, allow_nan=False)
    except (TypeError, ValueError):
        return otherwise(value)
    return text.encode("utf-8", "replace")


def settings() -> Config:
    """Return what differs from IPython's defaults: output is read by a program, and input is never
    typed."""
    figure_format = os.environ.get(FIGURE_VARIABLE, "png")
    values = Config()
    values.InteractiveShell.colors = "nocolor"
    values.HistoryManager.enabled = False
    # Jedi takes seconds for its first answer, and runs the code that it completes all the same.
    values.IPCompleter.use_jedi = False
    values.InlineBackend.figure_formats = {figure_format}
    values.KernelApp.kernel_class = RuntimeKernel
    values.KernelApp.log_level = logging.CRITICAL  # stderr belongs to the user's code
    values.RuntimeKernel._execute_sleep = 0.0  # no other thread has output to send first
    return values


def prepare_shell() -> None:
    """Create the shell that kernels will use, and run an empty cell in it.

    So everything that is created at the first use is there before the fork.
    """
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
    """Run a kernel in this process until it is asked to shut down. Does not return.

    Args:
        launch: What the gateway has passed for this kernel.
        messages_fd: The packet socket to the gateway. File descriptors 1 and 2 are the pipes.
    """
    os.set_inheritable(messages_fd, False)
    messages = socket.socket(fileno=messages_fd)
    # Duplicates, because the code may redirect 1 and 2.
    output = OutputChannel([os.dup(1), os.dup(2)], messages, launch.secret)
    console = Console(output)
    _flush_at_exit(console)
    pass_request_to_threads()
    app = KernelApp.instance(config=settings(), connection_file=launch.connection_file)
    app.console = console
    app.initialize([])
    app.start()
    _exit()


def _exit() -> None:
    """Exit as the interpreter does, but without tearing down its modules.

    That would copy every page that is shared with the fork server, to no purpose.
    """
    threading._shutdown()  # type: ignore[attr-defined]  # joins non-daemon threads, despite its name
    atexit._run_exitfuncs()
    for stream in (sys.__stdout__, sys.__stderr__):
        if stream is not None:
            stream.flush()
    end_process(0)


def _flush_at_exit(console: Console) -> None:
    """Patch ``os._exit``, which skips the usual flush, so that what was printed is sent first."""
    end = os._exit

    @functools.wraps(end)
    def flush_and_exit(status: int) -> None:
        try:
            console.flush()
        finally:  # even if the flush fails, the caller must not continue
            end(status)

    os._exit = flush_and_exit  # type: ignore[assignment]
