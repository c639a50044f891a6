"""How the engine is spoken to: podman-py's client, in threads; nothing of it blocks the loop."""

from __future__ import annotations

import asyncio
import io
import json
import os
import re
import socket
import sys
import threading
from collections.abc import AsyncIterator, Callable, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from typing import Any, Literal, TypeVar
from urllib.parse import unquote, urlsplit

import podman

from ipybox import BackendError, BackendUnavailableError
from ipybox.authoring import Availability, Surroundings, at_host, shielded
from ipybox.errors import EngineGoneError
from ipybox_podman.client import SharedClient
from ipybox_podman.errors import engine_call, timed_out
from ipybox_podman.listener import START_SECONDS
from ipybox_podman.streams import PodmanStreams, body_begins
from ipybox_podman.tunnel import host_of, is_ssh

OLDEST = (4, 3)
NUMBER = re.compile(r"\d+")
CALL_SECONDS = 30.0
CONNECT_SECONDS = 5.0
HEAD_SECONDS = 60.0
THREADS = 16
UPGRADE = {"Connection": "Upgrade", "Upgrade": "tcp"}

T = TypeVar("T")
Method = Literal["get", "post", "delete"]


class Connection:
    """Calls of the engine, one of them a thread."""

    def __init__(self, url: str | None) -> None:
        self._client = SharedClient(url, THREADS)
        self._threads: ThreadPoolExecutor | None = None
        self._surroundings: Surroundings | None = None

    @property
    def address(self) -> str:
        """For people to read; the same for the same engine."""
        return self._client.address

    @property
    def on_this_host(self) -> bool:
        """As far as its address tells."""
        return self._client.url is None or self._client.url.startswith("unix:")

    async def aclose(self) -> None:
        threads, self._threads = self._threads, None
        self._surroundings = None
        if threads is not None:
            threads.shutdown(wait=False)
        await shielded(asyncio.to_thread(self._client.close))

    async def availability(self) -> Availability:
        try:
            version = await self.version()
        except BackendError as error:
            return Availability(
                ready=False, reason=f"{error}", remedy="`ipybox doctor` tells what is missing."
            )
        if tuple(map(int, NUMBER.findall(version)[:2])) < OLDEST:
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

        # The time that a service of our own takes to come up counts, too.
        version = await self.run("tell its version", ask, START_SECONDS)
        if not NUMBER.match(version):
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

        generation = self._client.generation

        def work() -> T:
            with engine_call(what, seconds), self._client.borrow(generation) as client:
                return ask(client)

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
            await asyncio.to_thread(self._client.forget)
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
        body = _body(payload)
        headers = {**body["headers"], **UPGRADE}
        answer = await self._begun(what, path, params=params, data=body["data"], headers=headers)
        return await PodmanStreams.take_over(answer, what)

    async def answered(self, what: str, path: str) -> None:
        """Returns when a request is answered that Docker's API has too, and whose answer's
        head comes at once; no thread waits for the rest."""
        await body_begins(await self._begun(what, path, compatible=True), what)

    async def _begun(self, what: str, path: str, **options: Any) -> Any:
        """An answer whose head has come."""

        def ask(client: podman.PodmanClient) -> Any:
            answer = client.api.post(
                path, stream=True, timeout=(CONNECT_SECONDS, CALL_SECONDS), **options
            )
            answer.raise_for_status()
            return answer

        return await self.run(what, ask, CALL_SECONDS, undo=lambda answer: answer.close())

    async def lines(
        self, what: str, path: str, *, params: Mapping[str, Any], data: bytes = b""
    ) -> AsyncIterator[dict[str, Any]]:
        """A request that is answered with JSON objects, a line each, as they come."""
        found: asyncio.Queue[dict[str, Any] | None] = asyncio.Queue()
        loop = asyncio.get_running_loop()
        answers: list[Any] = []
        left = threading.Event()  # nobody waits for it any more

        def ask(client: podman.PodmanClient) -> None:
            try:
                if left.is_set():
                    return
                answer = client.api.post(
                    # In pieces: a time-out is for all that is sent at once.
                    path, params=params, data=io.BytesIO(data), stream=True,
                    headers={"Content-Type": "application/x-tar"},
                    timeout=(HEAD_SECONDS, HEAD_SECONDS),
                )  # fmt: skip
                answers.append(answer)
                if left.is_set():
                    _break_off(answer)
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
            left.set()
            for answer in answers:
                _break_off(answer)
            asking.cancel()
            await asyncio.wait([asking])

    async def surroundings(self) -> Surroundings:
        if self._surroundings is None:
            client = await self.run("tell where it is", lambda client: client, CALL_SECONDS)
            own = client.api.base_url
            named = self._client.url or ""
            behind = own.scheme != "http+unix" or is_ssh(named)
            host = urlsplit(named).hostname if behind else None
            if is_ssh(named):
                host = await asyncio.to_thread(host_of, named)
            if host is None and sys.platform == "linux":
                # Its socket is its user's: no need to ask it, which takes it a while.
                try:
                    owner = (await asyncio.to_thread(os.stat, unquote(own.netloc))).st_uid
                except OSError as error:
                    await asyncio.to_thread(self._client.forget)
                    raise EngineGoneError(f"The Podman engine has gone: {error}") from error
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
