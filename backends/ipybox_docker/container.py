"""One container, from its creation to its removal."""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from typing import Any, Literal

from ipybox import (
    BackendError,
    ByteStream,
    Container,
    ContainerNotFoundError,
    ContainerSpec,
    ContainerStartError,
    Endpoint,
    EngineTimeoutError,
    ExecResult,
    ExitStatus,
    GuaranteeError,
    Guarantees,
    Stats,
)
from ipybox.authoring import (
    GATEWAY_PORT,
    OWNER_LABEL,
    config_line,
    judge,
    probe_of,
    shielded,
    start_failed,
)
from ipybox_docker import execs
from ipybox_docker.attachment import Attachment
from ipybox_docker.connection import Connection, Surroundings
from ipybox_docker.ending import remove, wait_for_end
from ipybox_docker.errors import engine_call
from ipybox_docker.reading import last_lines, read_stats

log = logging.getLogger(__name__)

SETTLE_SECONDS = 5.0
PROBE_SCRIPT = "import json; from ipybox_runtime.probe import probe; print(json.dumps(probe()))"


class DockerContainer(Container):
    """A container of this process, or one of another's that it is attached to."""

    def __init__(
        self,
        connection: Connection,
        spec: ContainerSpec,
        around: Surroundings,
        payload: Mapping[str, Any],
    ) -> None:
        self.spec = spec
        self.payload = payload
        self.endpoint_found: Endpoint | None = None
        self._connection = connection
        self._around = around
        self._container: Any = None
        self._attachment: Attachment | None = None
        self._end: asyncio.Task[ExitStatus] | None = None
        self._ports: dict[int, int] = {}
        self._killed = False
        self._guarantees = judge(spec, None, "container")

    @property
    def id(self) -> str:
        return self._container.id if self._container is not None else self.spec.name

    @property
    def endpoint(self) -> Endpoint | None:
        return self.endpoint_found

    @property
    def guarantees(self) -> Guarantees:
        return self._guarantees

    @property
    def ports(self) -> Mapping[int, int]:
        return dict(self._ports)

    @property
    def lease(self) -> float | None:
        return self.spec.lease

    async def start(self) -> Endpoint:
        name, spec = self.spec.name, self.spec
        try:
            async with asyncio.timeout(spec.start_timeout):
                await self._start()
                attachment = self._attachment
                assert attachment is not None
                # What it measures and where it is found are known while it still imports.
                bound, _ = await asyncio.gather(attachment.event("bound"), self._find_ports())
                self._guarantees = judge(spec, probe_of(bound), "container")
                if spec.strict and self._guarantees.unmet:
                    raise GuaranteeError(
                        f"The container {name} was not started (strict=True). Not enforced: "
                        f"{'; '.join(self._guarantees.unmet)}. Leave strict out to run it "
                        "all the same; container.guarantees then tells what holds."
                    )
                await attachment.event("ready")
        except TimeoutError as error:
            if isinstance(error, EngineTimeoutError):
                raise
            tail = self._attachment.output.tail() if self._attachment else []
            raise start_failed(
                name, f"it was not ready within {spec.start_timeout} s (start_timeout)", tail
            ) from error
        assert self.endpoint_found is not None
        return self.endpoint_found

    async def stop(self, grace: float = 5.0) -> None:
        if self._container is not None:
            self._killed = True
            with suppress(ContainerNotFoundError):
                async with engine_call(f"stop the container {self.spec.name}", grace + 30):
                    await self._container.stop(t=round(grace))
        await self.kill()

    async def kill(self) -> None:
        self.endpoint_found = None
        self._ports = {}
        self._killed = True
        if self._container is None:
            return
        try:
            await remove(self._container, self.spec.name)
            if self._end is not None:
                await asyncio.wait([self._end], timeout=SETTLE_SECONDS)
        finally:
            await self.detach()

    async def detach(self) -> None:
        """Lets it run on by itself."""
        if self._end is not None:
            self._end.cancel()
            await asyncio.wait([self._end])
        if self._attachment is not None:
            await self._attachment.aclose()

    async def wait(self) -> ExitStatus:
        if self._end is None:
            return ExitStatus(code=None, reason="never started")
        await asyncio.wait([self._end])
        if self._killed or self._end.cancelled():
            return ExitStatus(code=0, reason="ended by its owner")
        return self._end.result()

    async def logs(self, tail: int = 100) -> list[str]:
        try:
            return await last_lines(self._container, self.spec.name, tail)
        except ContainerNotFoundError:
            return self._attachment.output.tail(tail) if self._attachment else []

    async def exec(
        self,
        argv: Sequence[str],
        *,
        stdin: bytes = b"",
        env: Mapping[str, str] | None = None,
        workdir: str | None = None,
        timeout: float = 60.0,
        on_output: Callable[[Literal["stdout", "stderr"], bytes], None] | None = None,
        max_bytes: int = 10 * 1024 * 1024,
    ) -> ExecResult:
        return await execs.run(
            self._running, argv, stdin=stdin, env=env, workdir=workdir, timeout=timeout,
            on_output=on_output, max_bytes=max_bytes,
        )  # fmt: skip

    async def open_stream(self, argv: Sequence[str]) -> ByteStream:
        return await execs.DockerStream(self._running, argv).open()

    async def stats(self) -> Stats:
        return await read_stats(self._running, self.spec.name)

    async def pause(self) -> None:
        async with engine_call(f"pause the container {self.spec.name}"):
            await self._running.pause()

    async def unpause(self) -> None:
        async with engine_call(f"unpause the container {self.spec.name}"):
            await self._running.unpause()

    @property
    def _running(self) -> Any:
        if self._container is None or self.endpoint_found is None:
            raise ContainerNotFoundError(f"The container {self.spec.name} is not running.")
        return self._container

    async def _start(self) -> None:
        name = self.spec.name
        # To its end, whatever happens: what the engine was asked for must be known, to be
        # removed.
        await shielded(self._create())
        self._attachment = await Attachment.open(self._container, name)
        self._watch()
        async with engine_call(f"start the container {name}"):
            await self._container.start()
        await self._attachment.write(config_line(self.spec, hosts=self._around.names))

    async def _create(self) -> None:
        name = self.spec.name
        containers = self._connection.docker.containers
        try:
            async with engine_call(f"create the container {name}"):
                created = await self._connection.docker._query_json(
                    "containers/create", "POST", params={"name": name}, data=dict(self.payload)
                )
        except EngineTimeoutError:
            await self._remove_unknown()
            raise
        for warning in created.get("Warnings") or ():
            log.warning("container %s: %s", name, warning)
        self._container = containers.container(created["Id"])

    async def _remove_unknown(self) -> None:
        """The engine may have made it, and not have answered."""
        with suppress(BackendError):
            container = self._connection.docker.containers.container(self.spec.name)
            async with engine_call("look for a container", 5):
                found = await container.show()
            if found["Config"]["Labels"].get(OWNER_LABEL) == self.payload["Labels"][OWNER_LABEL]:
                await remove(container, self.spec.name)

    def _watch(self) -> None:
        self._end = asyncio.create_task(
            wait_for_end(
                self._connection, self._container, self._attachment, lambda: self.endpoint_found
            ),
            name=f"ipybox end of {self.spec.name}",
        )

    async def _find_ports(self) -> None:
        """Where the engine has published it."""
        name = self.spec.name
        try:
            async with asyncio.timeout(self.spec.port_timeout):
                async with engine_call(f"tell the port of the container {name}"):
                    found = await self._container.show()
        except EngineTimeoutError:
            raise
        except TimeoutError as error:
            raise ContainerStartError(
                f"The container {name} had no port within {self.spec.port_timeout} s "
                "(port_allocation_timeout)."
            ) from error
        except ContainerNotFoundError:
            return  # it has ended already: its log tells why
        self.set_endpoint(found, self.spec.token)

    def set_endpoint(self, found: dict[str, Any], token: str) -> None:
        """From what the engine tells of the container."""
        network = found["NetworkSettings"]
        published = {
            int(key.split("/")[0]): int(bindings[0]["HostPort"])
            for key, bindings in (network["Ports"] or {}).items()
            if bindings
        }
        host, port = self._around.host, published.pop(GATEWAY_PORT, None)
        if host is None:  # we are its neighbour
            names = network["Networks"]
            host = names.get(self._around.network, {}).get("IPAddress") or network["IPAddress"]
            port = GATEWAY_PORT
            published = {p.container_port: p.container_port for p in self.spec.ports}
        if port is None or not host:
            return  # it is not running any more
        self._ports = published
        self.endpoint_found = Endpoint(host=host, port=port, token=token)

    async def measure(self) -> None:
        """What holds in it now, from a probe run inside."""
        result = await self.exec(["/opt/ipybox/bin/python", "-c", PROBE_SCRIPT])
        with suppress(ValueError):
            found = probe_of({"probe": json.loads(result.stdout)})
            self._guarantees = judge(self.spec, found, "container")

    def attach_to(self, container: Any, found: dict[str, Any]) -> None:
        """Stands for a container that runs already."""
        self._container = container
        self.set_endpoint(found, self.spec.token)
        self._watch()
