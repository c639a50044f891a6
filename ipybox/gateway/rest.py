"""The gateway's REST calls: the only file that speaks HTTP."""

from __future__ import annotations

import http.client
import json
import ssl
from typing import TYPE_CHECKING, Any

from ipybox.errors import AuthenticationError, ConnectFailedError, GatewayError
from ipybox.gateway.started import TOKEN_VARIABLE
from ipybox.gateway.versions import OWN, VERSION_HEADER, check_version

if TYPE_CHECKING:
    import httpx

START_SECONDS = 60.0
REQUEST_SECONDS = 10.0
SNIPPET_CHARS = 200
LEASE_PATH = "/ipybox/v1/lease"


class Gateway:
    """A kernel gateway at an address. Close it with ``aclose()``."""

    def __init__(self, host: str, port: int, token: str | None) -> None:
        self.host = host
        self.port = port
        self._token = token
        self._client: httpx.AsyncClient | None = None

    @property
    def address(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{host}:{self.port}"

    @property
    def headers(self) -> dict[str, str]:
        """What every request carries; the token is in no URL."""
        version = {VERSION_HEADER: OWN}
        return {"Authorization": f"token {self._token}", **version} if self._token else version

    @property
    def has_token(self) -> bool:
        return self._token is not None

    async def start_kernel(self) -> str:
        """Starts a kernel and returns its id (a UUID)."""
        answer = await self._call(
            "POST", "/api/kernels", body={"name": "python3"}, seconds=START_SECONDS
        )
        kernel_id = answer.get("id") if isinstance(answer, dict) else None
        # It becomes part of a URL: nothing but what an id is made of is let through.
        if not isinstance(kernel_id, str) or not kernel_id.replace("-", "").isalnum():
            raise GatewayError(f"{self.address} answered a new kernel without a valid id.")
        return kernel_id

    async def status(self) -> dict[str, Any]:
        """What ``GET /ipybox/v1/status`` tells: the runtime's version, and each kernel with
        state, pid, memory in bytes and last activity. GatewayError for another gateway."""
        answer = await self._call("GET", "/ipybox/v1/status")
        if not isinstance(answer, dict):
            raise GatewayError(f"{self.address} answered a status that is none.")
        return answer

    async def interrupt_kernel(self, kernel_id: str) -> None:
        await self._call("POST", f"/api/kernels/{kernel_id}/interrupt", body={})

    async def delete_kernel(self, kernel_id: str) -> None:
        """Ends a kernel. One that has gone already is fine."""
        await self._call("DELETE", f"/api/kernels/{kernel_id}", missing_ok=True)

    def renew_lease(self, owner: str, seconds: float) -> None:
        """Blocks, for at most ``seconds``: it is called in a thread, which lives on where a
        program blocks its event loop. Raises GatewayError."""
        connection = http.client.HTTPConnection(self.host, self.port, timeout=seconds)
        try:
            headers = {**self.headers, "Content-Type": "application/json"}
            connection.request("POST", LEASE_PATH, json.dumps({"owner": owner}), headers)
            status = connection.getresponse().status
        except (OSError, http.client.HTTPException) as error:
            raise GatewayError(f"POST {LEASE_PATH} at {self.address}: {error}") from error
        finally:
            connection.close()
        if status != http.client.OK:
            raise GatewayError(f"POST {LEASE_PATH} at {self.address} answered {status}.")

    async def aclose(self) -> None:
        if self._client is not None:
            client, self._client = self._client, None
            await client.aclose()

    async def _call(
        self,
        method: str,
        path: str,
        *,
        body: Any = None,
        missing_ok: bool = False,
        seconds: float = REQUEST_SECONDS,
    ) -> Any:
        # Imported on first use: it takes longer than all the rest of the library.
        import httpx

        if self._client is None:
            self._client = httpx.AsyncClient(
                base_url=f"http://{self.address}",
                headers=self.headers,
                trust_env=False,  # a proxy would see the token
                # HTTP is plain here; an empty context spares loading the certificates.
                verify=ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT),
            )
        try:
            timeout = httpx.Timeout(seconds, connect=min(seconds, REQUEST_SECONDS))
            response = await self._client.request(method, path, json=body, timeout=timeout)
        except (httpx.ConnectError, httpx.ConnectTimeout) as error:
            raise ConnectFailedError(
                f"No kernel gateway answers at {self.address} ({error}). "
                "Is the container running, and is this its port?"
            ) from error
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            raise GatewayError(
                f"{method} {path} at {self.address} got no proper answer: "
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
                f"{method} {path} at {self.address} answered no JSON: {_snippet(response.text)} "
                "Is this the port of a kernel gateway?"
            ) from error


def unauthorized(address: str, *, given: bool) -> AuthenticationError:
    """The error for an answer 401."""
    found = "the token given is not its token" if given else "no token was given"
    return AuthenticationError(
        f"The gateway at {address} answered 401: {found}. Pass token=… of the container's "
        f"endpoint to ExecutionClient, or set {TOKEN_VARIABLE}; in the process that started "
        "the container it is found by itself."
    )


def _snippet(text: str) -> str:
    line = " ".join(text.split())
    return repr(line if len(line) <= SNIPPET_CHARS else line[:SNIPPET_CHARS] + "…")
