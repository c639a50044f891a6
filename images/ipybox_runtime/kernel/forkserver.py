"""``python …/forkserver.py FD``: forks a kernel for each connection to a Unix socket.

FD is the socket, which listens already. This process has imported all that a kernel needs and does
nothing but fork: one thread, no event loop, no ZMQ.

A connection carries one :class:`KernelLaunch` with the kernel's file descriptors, then signal
numbers, one per line. The fork server answers ``{"pid": N}`` or ``{"error": "…"}``, and
``{"exit": N}`` once the kernel has exited (a negative number is a signal). It stops, and kills all
kernels, when its standard input is closed, which the gateway holds open.
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

del sys.path[0]  # this file's folder: its modules are not top-level modules

from ipybox_runtime.config import MAX_LAUNCH_BYTES, KernelLaunch  # noqa: E402
from ipybox_runtime.imports import block_debugger  # noqa: E402

PR_SET_CHILD_SUBREAPER = 36
"""Option of prctl(2) from linux/prctl.h."""

FDS = 3
"""File descriptors that come with a launch: stdout, stderr, messages."""


@dataclass(kw_only=True)
class Client:
    """A connection of the gateway, and the kernel that was started for it.

    Attributes:
        connection: The connection.
        pid: The kernel's process id; 0 before the fork and after the kernel was reaped.
        received: Bytes of a line that is not complete yet.
        fds: The kernel's file descriptors, until it has them.
    """

    connection: socket.socket
    pid: int = 0
    received: bytes = b""
    fds: list[int] = field(default_factory=list)

    def close_fds(self) -> None:
        """Close the kernel's file descriptors: it has its own copies, or was not started."""
        while self.fds:
            os.close(self.fds.pop())


class ForkServer:
    """Forks kernels until its standard input is closed.

    Args:
        listener: The Unix socket that the gateway connects to.
    """

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
        """Fork kernels until standard input is closed.

        Returns:
            In the fork server itself None. In each forked child, the child's launch and its
            message socket.
        """
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
                elif child := self._receive(key.data):
                    return child

    def kill_all(self) -> None:
        """Kill all kernels with their process groups."""
        for client in self._clients:
            if client.pid:
                with contextlib.suppress(ProcessLookupError):
                    os.killpg(client.pid, signal.SIGKILL)

    def _accept(self) -> None:
        client = Client(connection=self._listener.accept()[0])
        self._clients.append(client)
        self._selector.register(client.connection, selectors.EVENT_READ, client)

    def _receive(self, client: Client) -> tuple[KernelLaunch, int] | None:
        """Handle what a client sends: first what to start, then signal numbers."""
        try:
            data, fds, _, _ = socket.recv_fds(client.connection, MAX_LAUNCH_BYTES, FDS)
            client.fds += fds
            client.received += data
            *lines, client.received = client.received.split(b"\n")
            for line in lines:
                if client.pid:
                    # The kernel has not been reaped (or pid would be 0): the number is its own.
                    with contextlib.suppress(ProcessLookupError, PermissionError):
                        os.killpg(client.pid, int(line))
                elif child := self._fork(client, KernelLaunch.from_json(line.decode())):
                    return child
        # Whatever one client sends, the other clients' kernels live on.
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
        except OSError as error:  # the system has no process or no memory left
            client.close_fds()
            self._send(client, {"error": f"fork: {error}"})
            return None
        if pid == 0:
            self._shed_server_state()
            nothing = os.open(os.devnull, os.O_RDONLY)
            for source, target in ((nothing, 0), (stdout, 1), (stderr, 2)):
                os.dup2(source, target)
                os.close(source)
            return launch, messages
        client.pid = pid
        client.close_fds()
        self._send(client, {"pid": pid})
        return None

    def _shed_server_state(self) -> None:
        """Drop, in a child, what belongs to the fork server alone."""
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
        """Reap exited kernels, and their orphans, which become children of this process."""
        kernels = {client.pid: client for client in self._clients if client.pid}
        while pid := _exited_child():
            client = kernels.get(pid)
            if client is None:
                os.waitpid(pid, 0)
                continue
            # Also kill the processes that the kernel started. Until the kernel is reaped, its
            # number belongs to no other process group.
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(pid, signal.SIGKILL)
            _, status = os.waitpid(pid, 0)
            client.pid = 0
            self._send(client, {"exit": os.waitstatus_to_exitcode(status)})
            self._forget(client)

    def _forget(self, client: Client) -> None:
        """Remove a client whose kernel is reaped and whose connection is closed."""
        if not client.pid and client.connection.fileno() < 0:
            self._clients.remove(client)

    def _send(self, client: Client, event: dict[str, int | str]) -> None:
        with contextlib.suppress(OSError):  # the client has gone
            client.connection.sendall(json.dumps(event).encode() + b"\n")


def _exited_child() -> int:
    """Return the pid of a child that waits to be reaped; 0 if none does."""
    try:
        exited = os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT)
    except ChildProcessError:
        return 0
    return exited.si_pid if exited else 0


def _gateway_has_exited() -> bool:
    """Return whether standard input is closed."""
    return bool(select.select([sys.stdin], [], [], 0)[0])


def adopt_orphans() -> None:
    """Make orphaned processes of kernels children of this process (on Linux), which reaps them.

    Process 1 of a container may not reap them.
    """
    if sys.platform == "linux":
        import ctypes

        ctypes.CDLL(None).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)


def main() -> None:
    adopt_orphans()
    block_debugger()
    from ipybox_runtime.kernel.preload import preload, reseed

    for failure in preload(_gateway_has_exited):
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
    tempfile.tempdir = None  # cached from the fork server's environment
    reseed()
    from ipybox_runtime.kernel.app import run_kernel

    run_kernel(launch, messages_fd)


if __name__ == "__main__":
    main()
