"""podman-py's client: opened when it is first used, closed when its last user is done."""

from __future__ import annotations

import os
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import podman

from ipybox import BackendUnavailableError
from ipybox.errors import EngineGoneError
from ipybox_podman import sockets
from ipybox_podman.listener import Listener
from ipybox_podman.service import find_program, private_service
from ipybox_podman.tunnel import is_ssh, tunnel

API = "4.3.0"
"""What we speak; engines of later versions understand it."""


@dataclass
class _Opened:
    client: podman.PodmanClient
    users: int = 0


class SharedClient:
    """For threads. Where nobody listens, and ``podman`` is installed, it has a service of its
    own until it is closed; for an engine behind ssh, a tunnel."""

    def __init__(self, url: str | None, connections: int) -> None:
        """``connections``: so many are kept for later use."""
        self.named = sockets.named(url, os.environ)
        self.era = 0
        """Counts how often it was closed."""
        self._connections = connections
        self._lock = threading.Lock()
        self._opened: _Opened | None = None
        self._listener: Listener | None = None

    @property
    def address(self) -> str:
        """For people to read; the same for the same engine."""
        if self.named is None:
            return f"the Podman of user {os.getuid()}"
        self._check_listens(self.named)
        return self.named

    @contextmanager
    def lent(self, era: int) -> Iterator[podman.PodmanClient]:
        """Blocks while it is opened. ``era``: that of the asking; a call that comes to its
        turn when the backend has been closed opens nothing anew."""
        with self._lock:
            if era != self.era:
                raise EngineGoneError("The backend was closed before the engine was asked.")
            opened = self._open()
            opened.users += 1
        try:
            yield opened.client
        finally:
            with self._lock:
                opened.users -= 1
                if opened is not self._opened:
                    _close_unused(opened)

    def forget(self) -> None:
        """The engine is looked for anew with the next call; a service of our own is kept up."""
        with self._lock:
            self._drop()

    def close(self) -> None:
        """Blocks until a service of our own has ended."""
        with self._lock:
            self.era += 1
            self._drop()
            listener, self._listener = self._listener, None
        if listener is not None:
            listener.stop()

    def _drop(self) -> None:
        opened, self._opened = self._opened, None
        if opened is not None:
            _close_unused(opened)

    def _open(self) -> _Opened:
        if self._listener is not None:
            self._listener.ensure()
        if self._opened is None:
            url = self._url() if self._listener is None else self._listener.url
            self._opened = _Opened(self._connect(url))
        return self._opened

    def _url(self) -> str:
        if self.named is not None and is_ssh(self.named):
            return self._listen(tunnel(self.named, os.environ))
        if self.named is not None:
            self._check_listens(self.named)
            return self.named
        faults = []
        for path in sockets.usual(os.environ, os.getuid()):
            fault = sockets.why_not(path)
            if fault is None:
                return f"unix://{path}"
            faults.append(f"{path} ({fault})")
        program = find_program()
        if program is None or sys.platform != "linux":
            raise BackendUnavailableError(
                f"Podman is not reachable: {', '.join(faults)}. Install Podman, or set "
                "CONTAINER_HOST to its address."
            )
        return self._listen(private_service(program))

    def _listen(self, listener: Listener) -> str:
        self._listener = listener
        listener.ensure()
        return listener.url

    def _connect(self, url: str) -> podman.PodmanClient:
        try:
            client = podman.PodmanClient(base_url=url, version=API, max_pool_size=self._connections)
        # It reads Podman's settings, and lets out whatever is wrong with them.
        except Exception as error:
            if type(error) is ValueError:  # of its own, and not of what it reads with
                raise BackendUnavailableError(
                    f"{url!r} is no address of a Podman engine: {error}. Write unix:///PATH, "
                    "ssh://USER@HOST/PATH or tcp://HOST:PORT."
                ) from error
            raise BackendUnavailableError(
                f"podman-py can't be used for {url!r}: {type(error).__name__}: {error}. Are "
                "containers.conf and podman-connections.json well-formed?"
            ) from error
        # What HTTP_PROXY names would see the engine's traffic, and a container's token in it.
        client.api.trust_env = False
        return client

    @staticmethod
    def _check_listens(url: str) -> None:
        """Of a socket's path; what else an address may name shows with the first call."""
        path = url.removeprefix("unix://")
        fault = sockets.why_not(Path(path)) if path != url else None
        if fault is not None:
            remedy = (
                "Its socket is another user's: choose your own, or leave the address out."
                if fault == sockets.DENIED
                else "Is the service running there? `systemctl --user start podman.socket` "
                "starts the user's."
            )
            raise BackendUnavailableError(f"Podman is not reachable at {url} ({fault}). {remedy}")


def _close_unused(opened: _Opened) -> None:
    """A connection that is in use goes back to its client, and would be left open there."""
    if opened.users == 0:
        opened.client.close()
