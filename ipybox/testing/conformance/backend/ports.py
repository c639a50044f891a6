"""Host ports: the gateway's, and those that a container publishes."""

from __future__ import annotations

import asyncio
import contextlib
import random
import socket
from collections.abc import Iterator

import pytest

from ipybox.backend import Capability, Container
from ipybox.client import ExecutionClient
from ipybox.errors import PortTakenError
from ipybox.spec.resources import Port
from ipybox.testing.conformance.base import Conformance
from ipybox.testing.conformance.checks import check

SERVER = """
import http.server, threading
server = http.server.HTTPServer(("", 8000), http.server.SimpleHTTPRequestHandler)
threading.Thread(target=server.serve_forever, daemon=True).start()
"""


DATAGRAM_SERVER = """
import socket, threading
server = socket.socket(type=socket.SOCK_DGRAM)
server.bind(("", 8000))

def echo():
    while True:
        data, sender = server.recvfrom(1000)
        server.sendto(data, sender)

threading.Thread(target=echo, daemon=True).start()
"""
DATAGRAM_TRIES = 5


class PortChecks(Conformance):
    @check(Capability.FIXED_PORT)
    async def test_fixed_port_is_used_and_free_again(self) -> None:
        port = _free_port()
        for _ in range(2):
            async with self.started(port=port) as container:
                assert container.endpoint is not None
                assert container.endpoint.port == port

    @check(Capability.FIXED_PORT)
    async def test_port_of_another_program_raises_port_taken_error(self) -> None:
        with _listening() as port:
            async with self.created(port=port) as container:
                with pytest.raises(PortTakenError, match=str(port)):
                    await container.start()

    @check(Capability.FIXED_PORT)
    async def test_port_of_another_container_raises_port_taken_error(self) -> None:
        port = _free_port()
        async with self.started(port=port) as first:
            async with self.created(port=port) as second:
                with pytest.raises(PortTakenError, match=str(port)):
                    await second.start()
            assert await self.python("print(1)", on=first) == "1\n"

    @check(Capability.PORTS)
    async def test_published_port_leads_into_the_container(self) -> None:
        async with self.created(ports=(Port(container_port=8000),)) as container:
            assert container.ports == {}
            await container.start()
            await self._use(container, container.ports[8000])
            await container.kill()
            assert container.ports == {}

    @check(Capability.PORTS)
    async def test_published_port_has_the_requested_number(self) -> None:
        port = _free_port()
        wanted = Port(container_port=8000, host_port=port)
        async with self.started(ports=(wanted,)) as container:
            assert container.ports == {8000: port}
            await self._use(container, port)

    @check(Capability.PORTS)
    async def test_both_protocols_of_a_port_are_published(self) -> None:
        wanted = (Port(container_port=8000), Port(container_port=8000, protocol="udp"))
        async with self.started(ports=wanted) as container:
            ports, endpoint = container.ports, container.endpoint
            assert set(ports) == {(8000, "tcp"), (8000, "udp")}
            assert ports[8000] == ports[8000, "tcp"]
            assert endpoint is not None
            async with ExecutionClient(
                endpoint.port, endpoint.host, token=endpoint.token
            ) as client:  # the server runs in its kernel
                await client.execute(DATAGRAM_SERVER)
                await asyncio.to_thread(_check_echo, endpoint.host, ports[8000, "udp"])
            await self._use(container, ports[8000])

    @check(Capability.PORTS)
    async def test_taken_published_port_raises_port_taken_error(self) -> None:
        with _listening() as port:
            wanted = Port(container_port=8000, host_port=port)
            async with self.created(ports=(wanted,)) as container:
                with pytest.raises(PortTakenError, match=str(port)):
                    await container.start()

    async def _use(self, container: Container, port: int) -> None:
        """Serve a page inside the container and fetch it from the host."""
        endpoint = container.endpoint
        assert endpoint is not None
        async with ExecutionClient(
            endpoint.port, endpoint.host, token=endpoint.token
        ) as client:  # the server runs in its kernel
            await client.execute(SERVER)
            reader, writer = await asyncio.open_connection(endpoint.host, port)
            writer.write(b"GET / HTTP/1.0\r\n\r\n")
            assert await reader.readline() == b"HTTP/1.0 200 OK\r\n"
            writer.close()


def _free_port() -> int:
    """Return a port below the ephemeral range, so that the system gives it to no one else."""
    while True:
        with socket.socket() as probe, contextlib.suppress(OSError):
            probe.bind(("127.0.0.1", random.randrange(20_000, 32_000)))
            return int(probe.getsockname()[1])


def _check_echo(host: str, port: int) -> None:
    """Send a datagram, again if it is lost, until it comes back."""
    with socket.socket(type=socket.SOCK_DGRAM) as client:
        client.settimeout(1.0)
        for _ in range(DATAGRAM_TRIES):
            client.sendto(b"hello", (host, port))
            with contextlib.suppress(OSError):
                assert client.recv(100) == b"hello"
                return
        raise AssertionError(f"no answer from {host}:{port}/udp")


@contextlib.contextmanager
def _listening() -> Iterator[int]:
    """Listen on a port and return its number."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        yield int(taken.getsockname()[1])
