"""The gateway's REST calls. No other module speaks HTTP to a gateway."""

from __future__ import annotations

import asyncio
import http.client
import json
import logging
import ssl
from typing import TYPE_CHECKING, Any

from ipybox._async import shielded
from ipybox.errors import AuthenticationError, ConnectFailedError, GatewayError, TransportError
from ipybox.gateway.started import TOKEN_VARIABLE
from ipybox.gateway.status import parse_status
from ipybox.gateway.versions import OWN_VERSIONS, VERSION_HEADER, check_version
from ipybox.spec.status import GatewayStatus
from ipybox.validation import KERNEL_ID

if TYPE_CHECKING:
    import httpx

START_TIMEOUT = 60.0
"""Seconds for the gateway to start a kernel."""
REQUEST_TIMEOUT = 10.0
"""Seconds for any other request, and for connecting."""
UNDO_TIMEOUT = 30.0
"""Seconds that a cancelled start waits for the gateway's answer, to delete the kernel."""
SNIPPET_CHARS = 200
STATUS_PATH = "/ipybox/v1/status"
LEASE_PATH = "/ipybox/v1/lease"

log = logging.getLogger(__name__)


class Gateway:
    """A kernel gateway at an address. Close it with ``aclose()``.

    Every request may raise AuthenticationError (the gateway refuses the token), ConnectFailedError
    (no gateway answers), VersionMismatchError (the gateway's runtime does not fit this library),
    and GatewayError (the gateway refuses the request, does not answer in time, or is not a
    gateway).

    Args:
        host: The host name or IP address.
        port: The TCP port.
        token: The token that the gateway requires, if any.
    """

    def __init__(self, host: str, port: int, token: str | None) -> None:
        self.host = host
        self.port = port
        self._token = token
        self._client: httpx.AsyncClient | None = None

    @property
    def address(self) -> str:
        """``host:port``, with an IPv6 address in brackets."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{host}:{self.port}"

    @property
    def headers(self) -> dict[str, str]:
        """The headers of every request. The token is sent only here, never in a URL."""
        version = {VERSION_HEADER: OWN_VERSIONS}
        return {"Authorization": f"token {self._token}", **version} if self._token else version

    @property
    def has_token(self) -> bool:
        """Whether a token is sent."""
        return self._token is not None

    async def start_kernel(self) -> str:
        """Start a kernel and return its id (a UUID).

        If the caller is cancelled meanwhile, the kernel is deleted once the gateway has started
        it: otherwise it would go on running without an owner.
        """
        starting = asyncio.ensure_future(self._request_kernel())
        try:
            return await asyncio.shield(starting)
        except asyncio.CancelledError:
            await shielded(self._undo_start(starting))
            raise

    async def status(self) -> GatewayStatus:
        """Return the status of the gateway's runtime and of all its kernels.

        Raises:
            GatewayError: If the gateway does not run ipybox's runtime, or its answer is malformed.
        """
        return parse_status(await self._call("GET", STATUS_PATH), self.address)

    async def interrupt_kernel(self, kernel_id: str) -> None:
        """Interrupt what runs in a kernel."""
        await self._call("POST", f"/api/kernels/{kernel_id}/interrupt", body={})

    async def delete_kernel(self, kernel_id: str) -> None:
        """Stop a kernel. A kernel that no longer exists is not an error."""
        await self._call("DELETE", f"/api/kernels/{kernel_id}", missing_ok=True)

    def renew_lease(self, owner: str, timeout: float) -> None:
        """Renew the lease of the container. Blocks.

        It is called in a thread, which goes on while the program blocks its event loop.

        Args:
            owner: The owner's label.
            timeout: In seconds.

        Raises:
            GatewayError: If the gateway does not answer in time, or refuses.
        """
        connection = http.client.HTTPConnection(self.host, self.port, timeout=timeout)
        try:
            headers = {**self.headers, "Content-Type": "application/json"}
            connection.request("POST", LEASE_PATH, json.dumps({"owner": owner}), headers)
            status = connection.getresponse().status
        except (OSError, http.client.HTTPException) as error:
            raise GatewayError(f"POST {LEASE_PATH} at {self.address} failed: {error}.") from error
        finally:
            connection.close()
        if status != http.client.OK:
            raise GatewayError(f"POST {LEASE_PATH} at {self.address} answered {status}.")

    async def aclose(self) -> None:
        """Close all connections. Safe to call more than once."""
        if self._client is not None:
            client, self._client = self._client, None
            await client.aclose()

    async def _request_kernel(self) -> str:
        answer = await self._call(
            "POST", "/api/kernels", body={"name": "python3"}, timeout=START_TIMEOUT
        )
        kernel_id = answer.get("id") if isinstance(answer, dict) else None
        # The id becomes part of a URL: only characters that an id consists of are accepted.
        if not isinstance(kernel_id, str) or not KERNEL_ID.fullmatch(kernel_id):
            raise GatewayError(
                f"The gateway at {self.address} started a kernel, but answered without a valid id."
            )
        return kernel_id

    async def _undo_start(self, starting: asyncio.Future[str]) -> None:
        """Delete the kernel of a start that is under way."""
        await asyncio.wait([starting], timeout=UNDO_TIMEOUT)
        if not starting.done():
            starting.cancel()
            await asyncio.wait([starting])
            return
        try:
            await self.delete_kernel(starting.result())
        except TransportError as error:
            log.debug("there is no kernel to delete: %s", error)

    async def _call(
        self,
        method: str,
        path: str,
        *,
        body: Any = None,
        missing_ok: bool = False,
        timeout: float = REQUEST_TIMEOUT,
    ) -> Any:
        # Imported on first use: httpx takes longer to import than the rest of the library.
        import httpx

        if self._client is None:
            self._client = httpx.AsyncClient(
                base_url=f"http://{self.address}",
                headers=self.headers,
                trust_env=False,  # a proxy would see the token
                # Plain HTTP needs no certificates, and an empty context does not load them.
                verify=ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT),
            )
        try:
            limits = httpx.Timeout(timeout, connect=min(timeout, REQUEST_TIMEOUT))
            response = await self._client.request(method, path, json=body, timeout=limits)
        except (httpx.ConnectError, httpx.ConnectTimeout) as error:
            raise ConnectFailedError(
                f"No kernel gateway answers at {self.address} ({error}). Check that the container "
                "is running and that this is its port."
            ) from error
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            raise GatewayError(
                f"{method} {path} at {self.address} got no valid answer: "
                f"{type(error).__name__}: {error}"
            ) from error
        return self._content(method, path, response, missing_ok)

    def _content(self, method: str, path: str, response: httpx.Response, missing_ok: bool) -> Any:
        check_version(self.address, response.status_code, response.headers.get(VERSION_HEADER))
        if response.status_code == 401:
            raise unauthorized(self.address, given=self.has_token)
        if response.status_code == 404 and missing_ok:
            return None
        if not response.is_success:
            raise GatewayError(
                f"{method} {path} at {self.address} answered {response.status_code}: "
                f"{_snippet(response.text)}"
            )
        if not response.content:
            return None
        try:
            return json.loads(response.content)
        except (ValueError, RecursionError) as error:
            raise GatewayError(
                f"{method} {path} at {self.address} did not answer with JSON: "
                f"{_snippet(response.text)} Check that this is the port of a kernel gateway."
            ) from error


def unauthorized(address: str, *, given: bool) -> AuthenticationError:
    """Return the error for an answer 401.

    Args:
        address: The address of the gateway.
        given: Whether a token was sent.
    """
    found = "the token does not match" if given else "no token was given"
    return AuthenticationError(
        f"The gateway at {address} answered 401: {found}. Pass the token of the container's "
        f"endpoint to ExecutionClient as token=..., or set {TOKEN_VARIABLE}. In the process that "
        "started the container, the token is found automatically."
    )


def _snippet(text: str) -> str:
    line = " ".join(text.split())
    return repr(line if len(line) <= SNIPPET_CHARS else line[:SNIPPET_CHARS] + "…")
