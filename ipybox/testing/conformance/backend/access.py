"""Access to the gateway: its token, where secrets may show, and where the gateway listens."""

from __future__ import annotations

import ipaddress
import socket

import httpx
import pytest

from ipybox.backend import Capability
from ipybox.client import ExecutionClient
from ipybox.errors import AuthenticationError
from ipybox.testing.conformance.base import SOON_SECONDS, Conformance
from ipybox.testing.conformance.checks import check

SECRET = "a-secret-of-the-suite"  # not a real one
LOOK = """
    import glob, os
    hidden = {parts!r}
    words = ["".join(parts).encode() for parts in hidden]
    for path in glob.glob("/proc/[0-9]*/cmdline") + glob.glob("/proc/[0-9]*/{file}"):
        try:
            found = open(path, "rb").read()
        except OSError:
            continue
        for number, word in enumerate(words):
            if word in found:
                print(path, number)
"""
"""Prints which process has which of the words in its arguments or in another file below /proc.
The words come in two parts, so that this code does not contain them."""


class AccessChecks(Conformance):
    @check()
    async def test_gateway_refuses_requests_without_its_token(self) -> None:
        endpoint = self.shared.endpoint
        assert endpoint is not None
        address = f"http://{endpoint.host}:{endpoint.port}"
        async with httpx.AsyncClient(base_url=address, timeout=SOON_SECONDS) as http:
            for token in ("", "wrong", endpoint.token[:-1]):
                headers = {"Authorization": f"token {token}"} if token else {}
                for method, path in [("GET", "/api/kernels"), ("POST", "/api/kernels")]:
                    answer = await http.request(method, path, headers=headers)
                    assert answer.status_code in (401, 403), (method, path, token == "")

    @check()
    async def test_gateway_refuses_another_containers_token(self) -> None:
        endpoint = self.shared.endpoint
        assert endpoint is not None
        async with self.started() as other:
            assert other.endpoint is not None
            assert other.endpoint.token != endpoint.token
            client = ExecutionClient(endpoint.port, endpoint.host, token=other.endpoint.token)
            with pytest.raises(AuthenticationError):
                await client.connect()

    @check()
    async def test_token_and_variables_are_in_no_process_arguments(self) -> None:
        async with self.started(env={"SECRET": SECRET}) as container:
            assert container.endpoint is not None
            token = container.endpoint.token
            parts = [(token[:9], token[9:]), (SECRET[:9], SECRET[9:])]
            look = LOOK.format(parts=parts, file="cmdline")
            assert await self.python(look, on=container) == ""

    @check()
    async def test_token_is_in_no_process_environment(self) -> None:
        endpoint = self.shared.endpoint
        assert endpoint is not None
        parts = [(endpoint.token[:9], endpoint.token[9:])]
        assert await self.python(LOOK.format(parts=parts, file="environ")) == ""

    @check(Capability.ATTACH)
    async def test_list_shows_no_secrets(self) -> None:
        name = self.new_name()
        async with self.started(name=name, env={"SECRET": SECRET}) as container:
            assert container.endpoint is not None
            (info,) = [info for info in await self.subject.list() if info.name == name]
            shown = f"{info} {info.labels}"
            assert container.endpoint.token not in shown
            assert SECRET not in shown

    @check()
    async def test_repr_shows_no_secrets(self) -> None:
        spec = self.spec(env={"SECRET": SECRET})
        container = await self.subject.create(spec)
        try:
            shown = [repr(container), str(container), repr(await container.start()), repr(spec)]
        finally:
            await container.kill()
        assert spec.token not in "".join(shown)
        assert SECRET not in "".join(shown)

    @check()
    async def test_gateway_listens_on_loopback_only(self) -> None:
        endpoint = self.shared.endpoint
        assert endpoint is not None
        address = ipaddress.ip_address(socket.gethostbyname(endpoint.host))
        if not address.is_loopback:
            pytest.skip(f"the engine runs on another host, {endpoint.host}")
        # A gateway that listens on all addresses would answer on these, too.
        for other in {"127.0.0.2", _own_address()} - {str(address), None}:
            with socket.socket() as probe:
                probe.settimeout(2.0)
                assert probe.connect_ex((other, endpoint.port)) != 0, other


def _own_address() -> str | None:
    """Return this host's address in its network, without sending anything."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect(("192.0.2.1", 9))  # RFC 5737, TEST-NET-1
            return str(probe.getsockname()[0])
        except OSError:
            return None
