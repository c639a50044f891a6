"""How the engine is spoken to: podman-py's client, in threads; nothing of it blocks the loop."""

from __future__ import annotations

import asyncio
import json
import os
import socket
import sys
import threading
from collections.abc import AsyncIterator, Callable, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import Any, Literal, TypeVar
from urllib.parse import unquote, urlsplit

import podman

from ipybox import Availability, BackendError, BackendUnavailableError, EngineGoneError
from ipybox.authoring import Surroundings, at_host
from ipybox_podman import sockets
from ipybox_podman.errors import engine_call, timed_out
from ipybox_podman.listener import Listener
from ipybox_podman.service import find_program, private_service
from ipybox_podman.streams import PodmanStreams
from ipybox_podman.tunnel import is_ssh, tunnel

API = "4.3.0"
"""What we speak; engines of later versions understand it."""
OLDEST = (4, 3)
CALL_SECONDS = 30.0
CONNECT_SECONDS = 5.0
HEAD_SECONDS = 60.0
THREADS = 16
UPGRADE = {"Connection": "Upgrade", "Upgrade": "tcp"}

T = TypeVar("T")
Method = Literal["get", "post", "delete"]


class Connection:
    """A client of the engine, opened when first used. Where nobody listens, and ``podman``
    is installed, it has a service of its own as long as it is open; for an engine behind ssh,
    a tunnel."""

    def __init__(self, url: str | None) -> None:
        self._named = sockets.named(url, os.environ)
        self._lock = threading.Lock()
        self._client: podman.PodmanClient | None = None
        self._listener: Listener | None = None
        self._threads: ThreadPoolExecutor | None = None
        self._surroundings: Surroundings | None = None

    @property
    def address(self) -> str:
        """For people to read; the same for the same engine."""
        if self._named is not None:
            given = self._named.removeprefix("unix://")
            fault = sockets.why_not(Path(given)) if given != self._named else None
            if fault is not None:
                raise BackendUnavailableError(
                    f"Podman is not reachable at {self._named} ({fault}). Is the service "
                    "running there? `systemctl --user start podman.socket` starts the user's."
                )
            return self._named
        return f"the Podman of user {os.getuid()}"

    async def aclose(self) -> None:
        threads, self._threads = self._threads, None
        await asyncio.to_thread(self._close)
        if threads is not None:
            threads.shutdown(wait=False)

    async def availability(self) -> Availability:
        try:
            version = await self.version()
        except BackendError as error:
            return Availability(
                ready=False, reason=f"{error}", remedy="`ipybox doctor` tells what is missing."
            )
        if tuple(map(int, version.split(".")[:2])) < OLDEST:
            return Availability(
                ready=False,
                version=f"Podman {version}",
                reason=f"Podman {version} is too old.",
                remedy="Install 4.3 or newer.",
            )
        return Availability(ready=True, version=f"Podman {version}")

    async def version(self) -> str:
        """Of the engine, as in "4.3.1"."""

        def ask(client: podman.PodmanClient) -> str:
            answer = client.api.get("/_ping", timeout=(CONNECT_SECONDS, CONNECT_SECONDS))
            return str(answer.headers.get("Libpod-API-Version", ""))

        version = await self.run("tell its version", ask, CONNECT_SECONDS)
        if not version:
            raise BackendUnavailableError(f"What answers at {self.address} is no Podman.")
        return version

    async def run(
        self,
        what: str,
        ask: Callable[[podman.PodmanClient], T],
        seconds: float | None,
        undo: Callable[[T], object] | None = None,
    ) -> T:
        """Calls ``ask`` in a thread. ``seconds``: None for what has no limit. ``undo``: for
        what has come of it when the caller was cancelled meanwhile; the thread can't be."""

        def work() -> T:
            with engine_call(what, seconds):
                return ask(self._open())

        if self._threads is None:
            self._threads = ThreadPoolExecutor(THREADS, thread_name_prefix="ipybox podman")
        future = self._threads.submit(work)
        limit = None if seconds is None else seconds + CONNECT_SECONDS
        deadline = asyncio.timeout(limit)  # a thread's own is for each piece, not for the whole
        try:
            async with deadline:
                return await asyncio.wrap_future(future)
        except TimeoutError as error:
            if not deadline.expired():
                raise
            _undo_later(future, undo)
            raise timed_out(what, seconds) from error
        except asyncio.CancelledError:
            _undo_later(future, undo)
            raise
        except EngineGoneError:
            await asyncio.to_thread(self._forget)
            raise

    async def call(
        self,
        what: str,
        method: Method,
        path: str,
        *,
        params: Mapping[str, Any] | None = None,
        payload: Mapping[str, Any] | None = None,
        seconds: float | None = None,
    ) -> bytes:
        """One request; the body of its answer. ``seconds``: None for CALL_SECONDS."""
        limit = CALL_SECONDS if seconds is None else seconds

        def ask(client: podman.PodmanClient) -> bytes:
            answer = getattr(client.api, method)(
                path, params=params, timeout=(CONNECT_SECONDS, limit), **_body(payload)
            )
            answer.raise_for_status()
            return bytes(answer.content)

        return await self.run(what, ask, limit)

    async def call_json(self, what: str, method: Method, path: str, **options: Any) -> Any:
        """The same for an answer in JSON."""
        content = await self.call(what, method, path, **options)
        try:
            return json.loads(content)
        except ValueError as error:
            raise EngineGoneError(
                f"What answers at {self.address} is no Podman: asked to {what}, it says "
                f"{content[:100]!r}."
            ) from error

    async def streams(
        self,
        what: str,
        path: str,
        *,
        params: Mapping[str, Any] | None = None,
        payload: Mapping[str, Any] | None = None,
    ) -> PodmanStreams:
        """A request whose connection becomes a process's standard streams."""

        def ask(client: podman.PodmanClient) -> Any:
            body = _body(payload)
            answer = client.api.post(
                path, params=params, stream=True, timeout=(CONNECT_SECONDS, CALL_SECONDS),
                data=body["data"], headers={**body["headers"], **UPGRADE},
            )  # fmt: skip
            answer.raise_for_status()
            return answer

        answer = await self.run(what, ask, CALL_SECONDS, undo=lambda answer: answer.close())
        return await PodmanStreams.take_over(answer, what)

    async def lines(
        self, what: str, path: str, *, params: Mapping[str, Any], data: bytes = b""
    ) -> AsyncIterator[dict[str, Any]]:
        """A request that is answered with JSON objects, a line each, as they come."""
        found: asyncio.Queue[dict[str, Any] | None] = asyncio.Queue()
        loop = asyncio.get_running_loop()
        answers: list[Any] = []

        def ask(client: podman.PodmanClient) -> None:
            try:
                answer = client.api.post(
                    path, params=params, data=data, stream=True,
                    headers={"Content-Type": "application/x-tar"},
                    timeout=(CONNECT_SECONDS, HEAD_SECONDS),
                )  # fmt: skip
                answers.append(answer)
                answer.raise_for_status()
                # A step may be silent for long; the caller breaks it off when it will.
                answer.raw._fp.fp.raw._sock.settimeout(None)
                for line in answer.iter_lines():
                    if line.strip():
                        loop.call_soon_threadsafe(found.put_nowait, json.loads(line))
            finally:
                with suppress(RuntimeError):  # the loop has ended before
                    loop.call_soon_threadsafe(found.put_nowait, None)

        asking = asyncio.ensure_future(self.run(what, ask, None))
        try:
            while (line := await found.get()) is not None:
                yield line
            await asking
        finally:
            for answer in answers:
                _break_off(answer)
            asking.cancel()
            await asyncio.wait([asking])

    async def surroundings(self) -> Surroundings:
        if self._surroundings is None:
            client = await self.run("tell where it is", lambda client: client, CALL_SECONDS)
            own = client.api.base_url
            named = urlsplit(self._named or "")
            host = named.hostname if own.scheme != "http+unix" or is_ssh(self._named) else None
            if host is None and sys.platform == "linux":
                # Its socket is its user's: no need to ask it, which takes it a while.
                owner = (await asyncio.to_thread(os.stat, unquote(own.netloc))).st_uid
                self._surroundings = Surroundings(rootless=owner != 0)
            else:
                info = await self.info()
                rootless = bool(info["host"]["security"]["rootless"])
                self._surroundings = (
                    Surroundings(rootless=rootless)
                    if host is None
                    else await asyncio.to_thread(at_host, host, rootless=rootless)
                )
        return self._surroundings

    async def info(self) -> dict[str, Any]:
        """What the engine tells of itself and of its host."""
        found: dict[str, Any] = await self.call_json("tell about itself", "get", "/info")
        return found

    def _open(self) -> podman.PodmanClient:
        """Blocks."""
        with self._lock:
            if self._listener is not None:
                self._listener.ensure()
            if self._client is None:
                self._client = self._connect(self._url())
            return self._client

    def _url(self) -> str:
        if self._named is not None and is_ssh(self._named):
            return self._listen(tunnel(self._named, os.environ))
        if self._named is not None:
            given = self._named.removeprefix("unix://")
            fault = sockets.why_not(Path(given)) if given != self._named else None
            if fault is not None:
                raise BackendUnavailableError(
                    f"Podman is not reachable at {self._named} ({fault}). Is the service "
                    "running there? `systemctl --user start podman.socket` starts the user's."
                )
            return self._named
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
            return podman.PodmanClient(base_url=url, version=API, max_pool_size=THREADS)
        except ValueError as error:
            raise BackendUnavailableError(
                f"{url!r} is no address of a Podman engine: {error}. Write unix:///PATH, "
                "ssh://USER@HOST/PATH or tcp://HOST:PORT."
            ) from error

    def _forget(self) -> None:
        """It is looked for anew with the next call; a service of our own is kept up."""
        with self._lock:
            client, self._client = self._client, None
            if client is not None and self._listener is not None:
                self._client = self._connect(self._listener.url)
        if client is not None:
            client.close()

    def _close(self) -> None:
        with self._lock:
            client, self._client = self._client, None
            listener, self._listener = self._listener, None
            self._surroundings = None
        if client is not None:
            client.close()
        if listener is not None:
            listener.stop()


def _body(payload: Mapping[str, Any] | None) -> dict[str, Any]:
    if payload is None:
        return {"data": None, "headers": {}}
    return {"data": json.dumps(payload), "headers": {"Content-Type": "application/json"}}


def _undo_later(future: Future[T], undo: Callable[[T], object] | None) -> None:
    def done(ended: Future[T]) -> None:
        if undo is not None and not ended.cancelled() and ended.exception() is None:
            undo(ended.result())

    future.add_done_callback(done)


def _break_off(answer: Any) -> None:
    """So that the thread that reads it ends."""
    with suppress(AttributeError, OSError):
        answer.raw._fp.fp.raw._sock.shutdown(socket.SHUT_RDWR)
