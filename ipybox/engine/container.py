"""One container of an engine, from its creation to its removal."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from typing import Any, Literal

from ipybox._async import shielded
from ipybox.backend import ByteStream, Capability, Container
from ipybox.engine.base import Engine, Inspection, Ref, Surroundings
from ipybox.engine.exec import CommandStream, run_command
from ipybox.engine.exit import until_closed, wait_for_end
from ipybox.engine.output import Attachment
from ipybox.errors import (
    BackendError,
    ContainerNotFoundError,
    EngineGoneError,
    EngineTimeoutError,
    GuaranteeError,
    UnsupportedError,
)
from ipybox.runtime.guarantees import assess_guarantees
from ipybox.runtime.labels import OWNER_LABEL, Owner
from ipybox.runtime.launch import config_line, log_lines, probe_of, start_failed
from ipybox.runtime.ports import LOOPBACK
from ipybox.spec.container import ContainerSpec, Endpoint
from ipybox.spec.paths import GATEWAY_PORT, PYTHON
from ipybox.spec.status import ExecResult, ExitStatus, Guarantees, Stats

SETTLE_SECONDS = 5.0
AGAIN_SECONDS = 0.05
LOOK_SECONDS = 5.0
PROBE_SCRIPT = "import json; from ipybox_runtime.probe import probe; print(json.dumps(probe()))"


class EngineContainer(Container):
    """A container of this process, or one of another's that it is attached to."""

    def __init__(
        self,
        engine: Engine,
        spec: ContainerSpec,
        around: Surroundings,
        payload: Mapping[str, Any],
    ) -> None:
        self.spec = spec
        self.payload = payload
        self._engine = engine
        self._around = around
        self._ref: Ref | None = None
        self._endpoint: Endpoint | None = None
        self._attachment: Attachment | None = None
        self._end: asyncio.Task[ExitStatus] | None = None
        self._ports: dict[int, int] = {}
        self._killed = False
        self._guarantees = assess_guarantees(spec, None, "container")

    @property
    def id(self) -> str:
        return self._ref.id if self._ref is not None else self.spec.name

    @property
    def endpoint(self) -> Endpoint | None:
        return self._endpoint

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
                attachment = await self._start()
                # What it measures and where it is found are known while it still imports.
                bound, _ = await asyncio.gather(attachment.event("bound"), self._find_ports())
                self._guarantees = assess_guarantees(
                    spec, probe_of(bound), "container", self._engine.limits_remedy
                )
                if spec.strict and self._guarantees.unmet:
                    raise GuaranteeError(
                        f"The container {name} was not started (strict=True). Not enforced: "
                        f"{'; '.join(self._guarantees.unmet)}. Leave strict out to run it "
                        "all the same; container.guarantees then tells what holds."
                    )
                await attachment.event("ready")
                self._check_not_killed()
        except TimeoutError as error:
            if isinstance(error, EngineTimeoutError):
                raise
            tail = self._attachment.output.tail() if self._attachment else []
            raise start_failed(
                name, f"it was not ready within {spec.start_timeout} s (start_timeout)", tail
            ) from error
        assert self._endpoint is not None
        return self._endpoint

    async def stop(self, grace: float = 5.0) -> None:
        try:
            if self._ref is not None:
                self._killed = True
                with suppress(ContainerNotFoundError):
                    await self._engine.stop(self._ref, grace)
        finally:
            await shielded(self.kill())

    async def kill(self) -> None:
        endpoint, ports = self._endpoint, list(self._ports.values())
        self._endpoint = None
        self._ports = {}
        self._killed = True
        if self._ref is None:
            return
        try:
            await self._engine.remove(self._ref)
            if self._end is not None:
                await asyncio.wait([self._end], timeout=SETTLE_SECONDS)
            if endpoint is not None and endpoint.host == LOOPBACK:
                await until_closed([endpoint.port, *ports])
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
        if self._ref is None:
            return []
        try:
            return log_lines(await self._engine.logs(self._ref, tail))
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
        return await run_command(
            self._engine, self._running, argv, stdin=stdin, env=env, workdir=workdir,
            timeout=timeout, on_output=on_output, max_bytes=max_bytes,
        )  # fmt: skip

    async def open_stream(self, argv: Sequence[str]) -> ByteStream:
        return await CommandStream(self._engine, self._running, argv).open()

    async def stats(self) -> Stats:
        return await self._engine.stats(self._running)

    async def pause(self) -> None:
        self._need(Capability.PAUSE)
        await self._engine.pause(self._running)

    async def unpause(self) -> None:
        self._need(Capability.PAUSE)
        await self._engine.unpause(self._running)

    async def attach_to(self, found: Inspection) -> None:
        """Stands for a container that runs already."""
        self._ref = found.ref
        self._set_endpoint(found)
        self._watch(found.ref)
        result = await self.exec([PYTHON, "-c", PROBE_SCRIPT])
        with suppress(ValueError):
            probe = probe_of({"probe": json.loads(result.stdout)})
            self._guarantees = assess_guarantees(
                self.spec, probe, "container", self._engine.limits_remedy
            )

    @property
    def _running(self) -> Ref:
        if self._ref is None or self._endpoint is None:
            raise ContainerNotFoundError(f"The container {self.spec.name} is not running.")
        return self._ref

    def _need(self, capability: Capability) -> None:
        if capability in self._engine.lacks:
            raise UnsupportedError(
                f"{self._engine.title} has no {capability.value} on this host; "
                "`ipybox doctor` tells what it lacks."
            )

    def _check_not_killed(self) -> None:
        if self._killed:
            raise start_failed(self.spec.name, "it was killed", [])

    async def _start(self) -> Attachment:
        self._check_not_killed()
        # To its end, whatever happens: what the engine was asked for must be known, to be
        # removed.
        await shielded(self._create())
        self._check_not_killed()  # before there was a container to remove
        assert self._ref is not None
        self._attachment = attachment = await Attachment.open(self._engine, self._ref)
        self._watch(self._ref)
        await self._engine.start(self._ref)
        try:
            await attachment.write(config_line(self.spec, hosts=self._around.names))
        except EngineGoneError:
            # A container that does not live to read it breaks the stream, as its engine's
            # end does. What it printed may be lost with the stream; not in its log.
            if not await self._has_ended():
                raise
            with suppress(TimeoutError):
                async with asyncio.timeout(SETTLE_SECONDS):
                    await attachment.ended.wait()
            tail = attachment.output.tail() or await self.logs()
            raise start_failed(self.spec.name, "it has ended", tail) from None
        return attachment

    async def _has_ended(self) -> bool:
        """Within a while: an engine may notice a container's end after its streams' end."""
        assert self._ref is not None
        deadline = time.monotonic() + SETTLE_SECONDS
        with suppress(ContainerNotFoundError):
            while (await self._engine.inspect(self._ref.id)).running:
                if time.monotonic() > deadline:
                    return False
                await asyncio.sleep(AGAIN_SECONDS)
        return True

    async def _create(self) -> None:
        try:
            self._ref = await self._engine.create(self.spec.name, self.payload)
        except EngineTimeoutError:
            await self._remove_unknown()
            raise

    async def _remove_unknown(self) -> None:
        """The engine may have made it, and not have answered."""
        with suppress(BackendError, TimeoutError):
            async with asyncio.timeout(LOOK_SECONDS):
                found = await self._engine.inspect(self.spec.name)
            # Another owner's of the same name is not ours to remove.
            if found.labels.get(OWNER_LABEL) == str(Owner.current()):
                await self._engine.remove(found.ref)

    def _watch(self, ref: Ref) -> None:
        self._end = asyncio.create_task(
            wait_for_end(self._engine, ref, self._attachment, lambda: self._endpoint),
            name=f"ipybox end of {ref}",
        )

    async def _find_ports(self) -> None:
        """Where the engine has published it."""
        assert self._ref is not None
        try:
            async with asyncio.timeout(self.spec.port_timeout):
                found = await self._engine.inspect(self._ref.id)
        except EngineTimeoutError:
            raise
        except TimeoutError as error:
            reason = f"it had no port within {self.spec.port_timeout} s (port_allocation_timeout)"
            raise start_failed(self.spec.name, reason, []) from error
        except ContainerNotFoundError:
            return  # it has ended already: its log tells why
        if not self._killed:
            self._set_endpoint(found)

    def _set_endpoint(self, found: Inspection) -> None:
        published = dict(found.ports)
        host, port = self._around.host, published.pop(GATEWAY_PORT, None)
        if host is None:  # we are its neighbour
            host = found.addresses.get(self._around.network or "") or found.addresses.get("")
            port = GATEWAY_PORT
            published = {p.container_port: p.container_port for p in self.spec.ports}
        if port is None or not host:
            return  # it is not running any more
        self._ports = published
        self._endpoint = Endpoint(host=host, port=port, token=self.spec.token)
