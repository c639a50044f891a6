"""One container of an engine, from its creation to its removal."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from typing import Literal

from ipybox._async import poll, shielded
from ipybox.backend import ByteStream, Capability, Container
from ipybox.engine.base import Engine
from ipybox.engine.exec import CommandStream, run_command
from ipybox.engine.exit import follow_to_exit, wait_for_ports_to_close
from ipybox.engine.inspection import Inspection, Ref
from ipybox.engine.output import ContainerOutput
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
from ipybox.spec.ports import PublishedPorts
from ipybox.spec.status import ExecResult, ExitStatus, Guarantees, Stats

SETTLE_TIMEOUT = 5.0
"""Seconds in which an engine notices that a container has exited."""
POLL_INTERVAL = 0.05
UNANSWERED_CREATE_TIMEOUT = 5.0
"""Seconds to look for a container that an engine may have created without answering."""
GATEWAY_KEY = (GATEWAY_PORT, "tcp")
PROBE_SCRIPT = "import json; from ipybox_runtime.probe import probe; print(json.dumps(probe()))"


class EngineContainer(Container):
    """A container that this process creates, or a running one that it attaches to."""

    def __init__(self, engine: Engine, spec: ContainerSpec) -> None:
        """Describe a container; :meth:`start` or :meth:`attach_to` gives it life.

        Args:
            engine: The engine.
            spec: What to create, or what is known of the container to attach to.
        """
        self.spec = spec
        self._engine = engine
        self._ref: Ref | None = None
        self._endpoint: Endpoint | None = None
        self._output: ContainerOutput | None = None
        self._exit: asyncio.Task[ExitStatus] | None = None
        self._ports = PublishedPorts()
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
    def ports(self) -> PublishedPorts:
        return self._ports

    @property
    def lease(self) -> float | None:
        return self.spec.lease

    async def start(self) -> Endpoint:
        name, spec = self.spec.name, self.spec
        try:
            async with asyncio.timeout(spec.start_timeout):
                output = await self._start()
                # The runtime sends its measurements while it still imports the gateway.
                bound, _ = await asyncio.gather(output.event("bound"), self._find_ports())
                await self._set_guarantees(bound)
                if spec.strict and self._guarantees.unmet:
                    raise GuaranteeError(
                        f"The container {name} was not started (strict=True). Not enforced: "
                        f"{'; '.join(self._guarantees.unmet)}. Leave strict out to run it anyway; "
                        "container.guarantees then reports what is enforced."
                    )
                await output.event("ready")
                self._check_not_killed()
        except TimeoutError as error:
            if isinstance(error, EngineTimeoutError):
                raise
            tail = self._output.log.tail() if self._output else []
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
        endpoint, ports = self._endpoint, self._ports
        self._endpoint = None
        self._ports = PublishedPorts()
        self._killed = True
        if self._ref is None:
            return
        try:
            await self._engine.remove(self._ref)
            if self._exit is not None:
                await asyncio.wait([self._exit], timeout=SETTLE_TIMEOUT)
            if endpoint is not None and endpoint.host == LOOPBACK:
                tcp = [host for (_, protocol), host in ports.items() if protocol == "tcp"]
                await wait_for_ports_to_close([endpoint.port, *tcp])
        finally:
            await self.detach()

    async def detach(self) -> None:
        if self._exit is not None:
            self._exit.cancel()
            await asyncio.wait([self._exit])
        if self._output is not None:
            await self._output.aclose()

    async def wait(self) -> ExitStatus:
        if self._exit is None:
            return ExitStatus(code=None, reason="never started")
        await asyncio.wait([self._exit])
        if self._killed or self._exit.cancelled():
            return ExitStatus(code=0, reason="ended by its owner")
        return self._exit.result()

    async def logs(self, tail: int = 100) -> list[str]:
        if self._ref is None:
            return []
        try:
            return log_lines(await self._engine.logs(self._ref, tail))
        except ContainerNotFoundError:
            return self._output.log.tail(tail) if self._output else []

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
        """Attach to a container that runs already.

        Args:
            found: The container.

        Raises:
            BackendError: If the container cannot be probed.
        """
        self._ref = found.ref
        await self._set_endpoint(found)
        self._watch(found.ref)
        result = await self.exec([PYTHON, "-c", PROBE_SCRIPT])
        with suppress(ValueError):
            await self._set_guarantees({"probe": json.loads(result.stdout)})

    @property
    def _running(self) -> Ref:
        if self._ref is None or self._endpoint is None:
            raise ContainerNotFoundError(
                f"The container {self.spec.name} is not running. Start another one."
            )
        return self._ref

    def _need(self, capability: Capability) -> None:
        if capability in self._engine.lacks:
            raise UnsupportedError(
                f"{self._engine.title} has no {capability.value} on this host. Run "
                "`ipybox doctor` to see what the host lacks."
            )

    def _check_not_killed(self) -> None:
        if self._killed:
            raise start_failed(self.spec.name, "it was killed", [])

    async def _start(self) -> ContainerOutput:
        self._check_not_killed()
        # Runs to completion even if cancelled: a container can be removed only if its id is known.
        await shielded(self._create())
        self._check_not_killed()  # kill() may have come before there was a container to remove
        assert self._ref is not None
        self._output = output = await ContainerOutput.open(self._engine, self._ref)
        self._watch(self._ref)
        await self._engine.start(self._ref)
        placement = await self._engine.placement()
        try:
            await output.write(config_line(self.spec, hosts=placement.host_names))
        except EngineGoneError:
            # The stream breaks if the engine goes down, and also if the container exits before
            # it reads. What the container printed may be lost with the stream, but is in its log.
            if not await self._has_exited():
                raise
            with suppress(TimeoutError):
                async with asyncio.timeout(SETTLE_TIMEOUT):
                    await output.ended.wait()
            tail = output.log.tail() or await self.logs()
            raise start_failed(self.spec.name, "it has exited", tail) from None
        return output

    async def _has_exited(self) -> bool:
        """Wait a while for the engine to notice: it may do so after the end of the streams."""
        with suppress(ContainerNotFoundError):
            return await poll(self._is_down, every=POLL_INTERVAL, within=SETTLE_TIMEOUT)
        return True

    async def _is_down(self) -> bool:
        assert self._ref is not None
        return not (await self._engine.inspect(self._ref.id)).running

    async def _create(self) -> None:
        try:
            self._ref = await self._engine.create(self.spec)
        except EngineTimeoutError:
            await self._remove_unanswered()
            raise

    async def _remove_unanswered(self) -> None:
        """Remove the container that the engine may have created without answering."""
        with suppress(BackendError, TimeoutError):
            async with asyncio.timeout(UNANSWERED_CREATE_TIMEOUT):
                found = await self._engine.inspect(self.spec.name)
            # A container of the same name may be another owner's.
            if found.labels.get(OWNER_LABEL) == str(Owner.current()):
                await self._engine.remove(found.ref)

    def _watch(self, ref: Ref) -> None:
        self._exit = asyncio.create_task(
            follow_to_exit(self._engine, ref, self._output, lambda: self._endpoint),
            name=f"ipybox end of {ref}",
        )

    async def _set_guarantees(self, event: dict[str, object]) -> None:
        """Compare what the runtime has measured with what was asked for."""
        placement = await self._engine.placement()
        self._guarantees = assess_guarantees(
            self.spec, probe_of(event), "container", placement.limits_remedy
        )

    async def _find_ports(self) -> None:
        """Find out where the engine has published the gateway."""
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
            return  # the container has exited already; its log says why
        if not self._killed:
            await self._set_endpoint(found)

    async def _set_endpoint(self, found: Inspection) -> None:
        placement = await self._engine.placement()
        host, port = placement.host, found.ports.get(GATEWAY_PORT)
        ports = {key: host_port for key, host_port in found.ports.items() if key != GATEWAY_KEY}
        if host is None:  # this process is in a container next to it
            host = found.addresses.get(placement.network or "") or found.addresses.get("")
            port = GATEWAY_PORT
            ports = {(p.container_port, p.protocol): p.container_port for p in self.spec.ports}
        if port is None or not host:
            return  # the container does not run any more
        self._ports = PublishedPorts(ports)
        self._endpoint = Endpoint(host=host, port=port, token=self.spec.token)
