"""podman-py's client: opened on first use, closed once its last user is done with it."""

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
"""The version of the API that ipybox speaks; newer engines understand it."""


@dataclass
class _OpenClient:
    client: podman.PodmanClient
    users: int = 0


class SharedClient:
    """A podman-py client that several threads share.

    If no service is listening and ``podman`` is installed, the client starts a private service
    that lives until :meth:`close`. For an engine behind ssh it keeps a tunnel open.

    Attributes:
        url: The address that the user gave; None if the default sockets are tried.
        generation: How many times the client was closed.
    """

    def __init__(self, url: str | None, connections: int) -> None:
        """Open nothing yet.

        Args:
            url: The engine's address; None for ``CONTAINER_HOST`` or the default sockets.
            connections: How many idle connections to the engine are kept for reuse.
        """
        self.url = sockets.configured_url(url, os.environ)
        self.generation = 0
        self._connections = connections
        self._lock = threading.Lock()
        self._opened: _OpenClient | None = None
        self._listener: Listener | None = None

    @property
    def address(self) -> str:
        """The engine's address for messages; equal for the same engine."""
        return self.url or f"the Podman of user {os.getuid()}"

    def check_address(self) -> None:
        """Raise BackendUnavailableError if no service can be reached at the given socket.

        Whether any other address can be reached shows with the first call.
        """
        if self.url is not None:
            self._check_reachable(self.url)

    @contextmanager
    def borrow(self, generation: int) -> Iterator[podman.PodmanClient]:
        """Yield the client, opening it first if necessary. Blocks while it is opened.

        Args:
            generation: ``self.generation`` at the time when the call was queued. A call whose
                turn comes after the backend was closed must not open the client again.

        Raises:
            EngineGoneError: If the client was closed since then.
            BackendUnavailableError: If no engine can be reached and no service can be started,
                or if the address or Podman's settings are invalid.
        """
        with self._lock:
            if generation != self.generation:
                raise EngineGoneError(
                    "The backend was closed before the call reached the Podman engine."
                )
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
        """Look for the engine again with the next call. A private service keeps running."""
        with self._lock:
            self._drop()

    def close(self) -> None:
        """Close the client, and stop the private service or the tunnel.

        Blocks until that process has exited. The client opens again when it is next borrowed.
        """
        with self._lock:
            self.generation += 1
            self._drop()
            listener, self._listener = self._listener, None
        if listener is not None:
            listener.stop()

    def _drop(self) -> None:
        opened, self._opened = self._opened, None
        if opened is not None:
            _close_unused(opened)

    def _open(self) -> _OpenClient:
        if self._listener is not None:
            self._listener.ensure_listening()
        if self._opened is None:
            url = self._find_url() if self._listener is None else self._listener.url
            self._opened = _OpenClient(self._connect(url))
        return self._opened

    def _find_url(self) -> str:
        if self.url is not None and is_ssh(self.url):
            return self._start(tunnel(self.url, os.environ))
        if self.url is not None:
            self._check_reachable(self.url)
            return self.url
        reasons = []
        for path in sockets.default_paths(os.environ, os.getuid()):
            reason = sockets.why_unreachable(path)
            if reason is None:
                return f"unix://{path}"
            reasons.append(f"{path} ({reason})")
        program = find_program()
        if program is None or sys.platform != "linux":
            raise BackendUnavailableError(
                f"Podman is not reachable: {', '.join(reasons)}. Install Podman, or set "
                "CONTAINER_HOST to its address."
            )
        return self._start(private_service(program))

    def _start(self, listener: Listener) -> str:
        self._listener = listener
        listener.ensure_listening()
        return listener.url

    def _connect(self, url: str) -> podman.PodmanClient:
        try:
            client = podman.PodmanClient(base_url=url, version=API, max_pool_size=self._connections)
        # podman-py reads Podman's settings here, and lets every error in them escape.
        except Exception as error:
            # podman-py raises ValueError itself for an invalid address; what its parsers raise
            # for the settings is a subclass.
            if type(error) is ValueError:
                raise BackendUnavailableError(
                    f"{url!r} is not an address of a Podman engine: {error}. Write unix:///PATH, "
                    "ssh://USER@HOST/PATH or tcp://HOST:PORT."
                ) from error
            raise BackendUnavailableError(
                f"podman-py cannot connect to {url!r}: {type(error).__name__}: {error}. Check "
                "that containers.conf and podman-connections.json are well-formed."
            ) from error
        # A proxy named in HTTP_PROXY would see the engine's traffic, and with it the tokens of
        # containers.
        client.api.trust_env = False
        return client

    @staticmethod
    def _check_reachable(url: str) -> None:
        """Raise BackendUnavailableError if no service can be reached at a socket's path.

        Whether any other address can be reached shows with the first call.
        """
        path = url.removeprefix("unix://")
        reason = sockets.why_unreachable(Path(path)) if path != url else None
        if reason is not None:
            remedy = (
                "The socket belongs to another user: name one of your own, or name none."
                if reason == sockets.DENIED
                else "Start the service there; `systemctl --user start podman.socket` starts "
                "the user's own."
            )
            raise BackendUnavailableError(f"Podman is not reachable at {url} ({reason}). {remedy}")


def _close_unused(opened: _OpenClient) -> None:
    """Close the client unless a call still uses it.

    A connection that is in use returns to its client later, and would then stay open there.
    """
    if opened.users == 0:
        opened.client.close()
