"""``python …/forkserver.py FD``: forks a kernel for each connection to a Unix socket.

The socket listens already, as file descriptor FD. This process has imported all that a
kernel needs and does nothing but fork: one thread, no event loop, no ZMQ. A connection
carries one :class:`KernelLaunch` with the kernel's file descriptors, then signal
numbers, a line each; back come ``{"pid": N}``, or ``{"error": "…"}``, and when the
kernel has ended ``{"exit": N}`` (negative: a signal). The end of standard input, which
the gateway holds, ends it and all kernels.
"""

import contextlib
import json
import os
import select
import selectors
import signal
import socket
import sys
import tempfile
from dataclasses import dataclass, field

del sys.path[0]  # this file's folder, whose modules are no top-level ones

from ipybox_runtime.config import MAX_LAUNCH_BYTES, KernelLaunch  # noqa: E402
from ipybox_runtime.imports import block_debugger  # noqa: E402

PR_SET_CHILD_SUBREAPER = 36
FDS = 3  # stdout, stderr, messages


@dataclass(kw_only=True)
class Client:
    """A connection, and the kernel that it asked for."""

    connection: socket.socket
    pid: int = 0
    received: bytes = b""
    fds: list[int] = field(default_factory=list)

    def close_fds(self) -> None:
        """The kernel has its own by now, or there is none."""
        while self.fds:
            os.close(self.fds.pop())


class ForkServer:
    """Forks until its standard input ends."""

    def __init__(self, listener: socket.socket) -> None:
        self._listener = listener
        self._woken, self._waker = socket.socketpair()
        for end in (self._woken, self._waker):
            end.setblocking(False)
        self._selector = selectors.DefaultSelector()
        for source in (self._listener, self._woken, sys.stdin):
            self._selector.register(source, selectors.EVENT_READ)
        self._clients: list[Client] = []

    def serve(self) -> tuple[KernelLaunch, int] | None:
        """Returns in forked children alone, with what they are to be and their message
        socket; None where standard input has ended."""
        signal.set_wakeup_fd(self._waker.fileno(), warn_on_full_buffer=False)
        signal.signal(signal.SIGCHLD, lambda *_: None)
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        while True:
            for key, _ in self._selector.select():
                if key.fileobj is sys.stdin:
                    if not os.read(0, 4096):
                        return None
                elif key.fileobj is self._woken:
                    self._woken.recv(4096)
                    self._reap()
                elif key.fileobj is self._listener:
                    self._accept()
                elif child := self._hear(key.data):
                    return child

    def kill_all(self) -> None:
        for client in self._clients:
            if client.pid:
                with contextlib.suppress(ProcessLookupError):
                    os.killpg(client.pid, signal.SIGKILL)

    def _accept(self) -> None:
        client = Client(connection=self._listener.accept()[0])
        self._clients.append(client)
        self._selector.register(client.connection, selectors.EVENT_READ, client)

    def _hear(self, client: Client) -> tuple[KernelLaunch, int] | None:
        """What a client says: first what to start, then signal numbers."""
        try:
            data, fds, _, _ = socket.recv_fds(client.connection, MAX_LAUNCH_BYTES, FDS)
            client.fds += fds
            client.received += data
            *lines, client.received = client.received.split(b"\n")
            for line in lines:
                if client.pid:
                    # Not reaped yet, or it would be 0: the number is still this kernel's.
                    with contextlib.suppress(ProcessLookupError, PermissionError):
                        os.killpg(client.pid, int(line))
                elif child := self._fork(client, KernelLaunch.from_json(line.decode())):
                    return child
        # Whatever a client says, the others' kernels live on.
        except (OSError, ValueError, TypeError):
            data = b""
        if not data:
            self._selector.unregister(client.connection)
            client.connection.close()
            client.close_fds()
            self._forget(client)
        return None

    def _fork(self, client: Client, launch: KernelLaunch) -> tuple[KernelLaunch, int] | None:
        stdout, stderr, messages = client.fds
        try:
            pid = os.fork()
        except OSError as error:  # no more processes, or no memory
            client.close_fds()
            self._tell(client, {"error": f"fork: {error}"})
            return None
        if pid == 0:
            self._leave()
            nothing = os.open(os.devnull, os.O_RDONLY)
            for source, target in ((nothing, 0), (stdout, 1), (stderr, 2)):
                os.dup2(source, target)
                os.close(source)
            return launch, messages
        client.pid = pid
        client.close_fds()
        self._tell(client, {"pid": pid})
        return None

    def _leave(self) -> None:
        """What a child does not take over."""
        os.setsid()
        signal.set_wakeup_fd(-1)
        for signum in (signal.SIGCHLD, signal.SIGTERM):
            signal.signal(signum, signal.SIG_DFL)
        self._selector.close()
        for end in (self._listener, self._woken, self._waker):
            end.close()
        for client in self._clients:
            client.connection.close()

    def _reap(self) -> None:
        """Kernels that have ended, and orphans of theirs, which come to this process."""
        kernels = {client.pid: client for client in self._clients if client.pid}
        while pid := _ended_child():
            client = kernels.get(pid)
            if client is None:
                os.waitpid(pid, 0)
                continue
            # What it has started goes with it; until it is reaped, the number is its own.
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(pid, signal.SIGKILL)
            _, status = os.waitpid(pid, 0)
            client.pid = 0
            self._tell(client, {"exit": os.waitstatus_to_exitcode(status)})
            self._forget(client)

    def _forget(self, client: Client) -> None:
        """Once its kernel is reaped and its connection closed, whichever comes last."""
        if not client.pid and client.connection.fileno() < 0:
            self._clients.remove(client)

    def _tell(self, client: Client, event: dict[str, int | str]) -> None:
        with contextlib.suppress(OSError):  # it has gone
            client.connection.sendall(json.dumps(event).encode() + b"\n")


def _ended_child() -> int:
    """The pid of a child that waits to be reaped; 0 if none does."""
    try:
        ended = os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT)
    except ChildProcessError:
        return 0
    return ended.si_pid if ended else 0


def _is_over() -> bool:
    """Whether standard input has ended."""
    return bool(select.select([sys.stdin], [], [], 0)[0])


def adopt_orphans() -> None:
    """Makes orphaned processes of kernels children of this one (Linux), which reaps them:
    process 1 of a container may not."""
    if sys.platform == "linux":
        import ctypes

        ctypes.CDLL(None).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)


def main() -> None:
    adopt_orphans()
    block_debugger()
    from ipybox_runtime.kernel.preload import preload, reseed

    for failure in preload(_is_over):
        print(f"not preloaded: {failure}", file=sys.stderr, flush=True)
    server = ForkServer(socket.socket(fileno=int(sys.argv[1])))
    child = server.serve()
    if child is None:
        server.kill_all()
        return
    launch, messages_fd = child
    os.environ.clear()
    os.environ.update(launch.env)
    os.chdir(launch.cwd)
    tempfile.tempdir = None  # found anew, in the kernel's own environment
    reseed()
    from ipybox_runtime.kernel.app import run_kernel

    run_kernel(launch, messages_fd)


if __name__ == "__main__":
    main()
