"""The connection to a Podman engine: podman-py's client, whose blocking calls run in threads."""

from __future__ import annotations

import asyncio
import io
import json
import math
import re
import socket
import threading
from collections.abc import AsyncGenerator, Callable, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import Any, Literal, TypeVar
from urllib.parse import unquote

import podman

from ipybox import BackendError, BackendUnavailableError
from ipybox.authoring import Availability, shielded
from ipybox.engine import CALL_TIMEOUT, CONNECT_TIMEOUT, call_timed_out
from ipybox.errors import EngineGoneError
from ipybox_podman.client import SharedClient
from ipybox_podman.errors import engine_call
from ipybox_podman.listener import START_TIMEOUT
from ipybox_podman.streams import PodmanStreams, body_begins, raw_socket

OLDEST_VERSION = (4, 3)
NUMBER = re.compile(r"\d+")
UPLOAD_TIMEOUT = 60.0
"""Seconds in which the engine has to take each piece of an upload, and to begin its answer."""
THREADS = 16
UPGRADE = {"Connection": "Upgrade", "Upgrade": "tcp"}

T = TypeVar("T")
Method = Literal["get", "post", "delete"]


class Connection:
    """Calls to a Podman engine; each runs in a thread of its own.

    Every call raises only BackendErrors: EngineTimeoutError if the time is up, EngineGoneError
    if the engine cannot be reached or the connection breaks, and what
    :func:`ipybox_podman.errors.map_podman_error` makes of an error that the engine reports.
    """

    def __init__(self, url: str | None) -> None:
        """Open nothing yet.

        Args:
            url: The engine's address; None for ``CONTAINER_HOST`` or the default sockets.
        """
        self._client = SharedClient(url, THREADS)
        self._threads: ThreadPoolExecutor | None = None

    @property
    def url(self) -> str | None:
        """The address that the user gave; None if the default sockets are tried."""
        return self._client.url

    @property
    def address(self) -> str:
        """The engine's address for messages; equal for the same engine."""
        return self._client.address

    def check_address(self) -> None:
        """Raise BackendUnavailableError if no service can be reached at the given socket."""
        self._client.check_address()

    @property
    def on_this_host(self) -> bool:
        """Whether the engine runs on this host, as far as its address shows."""
        return self.url is None or self.url.startswith("unix:")

    async def aclose(self) -> None:
        """Close the connection, and stop the private service. The next call opens it again."""
        threads, self._threads = self._threads, None
        if threads is not None:
            threads.shutdown(wait=False)
        await shielded(asyncio.to_thread(self._client.close))

    async def forget(self) -> None:
        """Look for the engine again with the next call."""
        await asyncio.to_thread(self._client.forget)

    async def availability(self) -> Availability:
        """Return whether the engine answers and is new enough; raise nothing."""
        try:
            version = await self.version()
        except BackendError as error:
            return Availability(
                ready=False, reason=f"{error}", remedy="Run `ipybox doctor` to see what is missing."
            )
        if tuple(map(int, NUMBER.findall(version)[:2])) < OLDEST_VERSION:
            return Availability(
                ready=False,
                version=f"Podman {version}",
                reason=f"Podman {version} is too old.",
                remedy="Install 4.3 or newer.",
            )
        return Availability(ready=True, version=f"Podman {version}")

    async def version(self) -> str:
        """Return the engine's version, as in "4.3.1".

        Raises:
            BackendUnavailableError: If another kind of server answers.
        """

        def ask(client: podman.PodmanClient) -> str:
            answer = client.api.get("/_ping", timeout=(CONNECT_TIMEOUT, CONNECT_TIMEOUT))
            return str(answer.headers.get("Libpod-API-Version", ""))

        # The limit covers the start of a private service.
        version = await self.run("report its version", ask, START_TIMEOUT)
        if not NUMBER.match(version):
            raise BackendUnavailableError(f"The server at {self.address} is not Podman.")
        return version

    async def socket_path(self) -> Path | None:
        """Return the socket that the client uses; None if it does not use one."""

        def ask(client: podman.PodmanClient) -> Path | None:
            used = client.api.base_url
            return Path(unquote(used.netloc)) if used.scheme == "http+unix" else None

        return await self.run("be found", ask, CALL_TIMEOUT)

    async def info(self) -> dict[str, Any]:
        """Return what the engine reports of itself and of its host."""
        found: dict[str, Any] = await self.call_json(
            "describe itself", "get", "/info", timeout=CALL_TIMEOUT
        )
        return found

    async def run(
        self,
        what: str,
        ask: Callable[[podman.PodmanClient], T],
        timeout: float,
        undo: Callable[[T], object] | None = None,
    ) -> T:
        """Call a function in a thread.

        A thread cannot be cancelled: if the caller is, or if the time is up, the function runs
        on.

        Args:
            what: What the engine is asked to do, for error messages.
            ask: Sends the request, given the client.
            timeout: Seconds; ``math.inf`` for no limit.
            undo: Disposes of a result that comes after the caller was cancelled.

        Returns:
            The function's result.
        """
        generation = self._client.generation

        def work() -> T:
            with engine_call(what, timeout), self._client.borrow(generation) as client:
                return ask(client)

        if self._threads is None:
            self._threads = ThreadPoolExecutor(THREADS, thread_name_prefix="ipybox podman")
        future = self._threads.submit(work)
        # The limits of a request are for each of its pieces; this one is for the whole.
        deadline = asyncio.timeout(None if timeout == math.inf else timeout + CONNECT_TIMEOUT)
        try:
            async with deadline:
                return await asyncio.wrap_future(future)
        except TimeoutError as error:
            if not deadline.expired():
                raise
            _undo_later(future, undo)
            raise call_timed_out("Podman", what, timeout) from error
        except asyncio.CancelledError:
            _undo_later(future, undo)
            raise
        except EngineGoneError:
            await self.forget()
            raise

    async def call(
        self,
        what: str,
        method: Method,
        path: str,
        *,
        timeout: float,
        params: Mapping[str, Any] | None = None,
        payload: Mapping[str, Any] | None = None,
    ) -> bytes:
        """Send a request.

        Args:
            what: What the engine is asked to do, for error messages.
            method: The HTTP method.
            path: Path below the API's version.
            timeout: Seconds; a finite number.
            params: The query's parameters.
            payload: The body, which is sent as JSON; None for no body.

        Returns:
            The body of the answer.
        """

        def ask(client: podman.PodmanClient) -> bytes:
            answer = getattr(client.api, method)(
                path, params=params, timeout=(CONNECT_TIMEOUT, timeout), **_body(payload)
            )
            answer.raise_for_status()
            return bytes(answer.content)

        return await self.run(what, ask, timeout)

    async def call_json(
        self, what: str, method: Method, path: str, *, timeout: float, **options: Any
    ) -> Any:
        """Send a request and return the answer's JSON; arguments as for :meth:`call`."""
        content = await self.call(what, method, path, timeout=timeout, **options)
        try:
            return json.loads(content)
        except ValueError as error:
            raise EngineGoneError(
                f"The server at {self.address} is not Podman: asked to {what}, it answered "
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
        """Send a request whose connection becomes the standard streams of a process.

        Arguments as for :meth:`call`.
        """
        body = _body(payload)
        headers = {**body["headers"], **UPGRADE}
        answer = await self._begin(what, path, params=params, data=body["data"], headers=headers)
        return await PodmanStreams.take_over(answer, what)

    async def answered(self, what: str, path: str) -> None:
        """Send a request, and wait without a time limit until its answer's body begins.

        No thread waits. The request has to be one of Docker's API too, and the head of its
        answer has to come at once.
        """
        await body_begins(await self._begin(what, path, compatible=True), what)

    async def _begin(self, what: str, path: str, **options: Any) -> Any:
        """Send a request, and return its answer once the head has come."""

        def ask(client: podman.PodmanClient) -> Any:
            answer = client.api.post(
                path, stream=True, timeout=(CONNECT_TIMEOUT, CALL_TIMEOUT), **options
            )
            answer.raise_for_status()
            return answer

        return await self.run(what, ask, CALL_TIMEOUT, undo=lambda answer: answer.close())

    async def lines(
        self, what: str, path: str, *, params: Mapping[str, Any], data: bytes = b""
    ) -> AsyncGenerator[dict[str, Any]]:
        """Send a request, and yield the JSON objects of its answer, one a line, as they come.

        There is no time limit. Closing the generator breaks off the request.

        Args:
            what: What the engine is asked to do, for error messages.
            path: Path below the API's version.
            params: The query's parameters.
            data: The body, a tar archive.
        """
        found: asyncio.Queue[dict[str, Any] | None] = asyncio.Queue()
        loop = asyncio.get_running_loop()
        answers: list[Any] = []
        closed = threading.Event()

        def ask(client: podman.PodmanClient) -> None:
            try:
                if closed.is_set():
                    return
                answer = client.api.post(
                    # In pieces: the time limit is for each piece that is sent.
                    path, params=params, data=io.BytesIO(data), stream=True,
                    headers={"Content-Type": "application/x-tar"},
                    timeout=(UPLOAD_TIMEOUT, UPLOAD_TIMEOUT),
                )  # fmt: skip
                answers.append(answer)
                if closed.is_set():
                    _break_off(answer)
                answer.raise_for_status()
                # A step may print nothing for long; it is for the caller to give up.
                raw_socket(answer).settimeout(None)
                for line in answer.iter_lines():
                    if line.strip():
                        loop.call_soon_threadsafe(found.put_nowait, json.loads(line))
            finally:
                with suppress(RuntimeError):  # the loop is closed
                    loop.call_soon_threadsafe(found.put_nowait, None)

        asking = asyncio.ensure_future(self.run(what, ask, math.inf))
        try:
            while (line := await found.get()) is not None:
                yield line
            await asking
        finally:
            closed.set()
            for answer in answers:
                _break_off(answer)
            asking.cancel()
            await asyncio.wait([asking])


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
    """Shut down an answer's connection, so that the thread that reads it comes to an end."""
    with suppress(AttributeError, OSError):
        raw_socket(answer).shutdown(socket.SHUT_RDWR)
