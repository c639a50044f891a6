"""Running containers by name or id: ``attach``, ``list``, ``logs``, ``remove``; unique names."""

from __future__ import annotations

import asyncio
import time

import pytest

from ipybox.backend import Capability
from ipybox.container import ExecutionContainer
from ipybox.errors import ContainerNotFoundError, NameTakenError
from ipybox.testing.conformance.backend.probes import GATEWAY
from ipybox.testing.conformance.base import SOON_SECONDS, Conformance
from ipybox.testing.conformance.checks import check


class AttachChecks(Conformance):
    @check(Capability.ATTACH)
    async def test_attach_takes_an_id_or_a_name(self) -> None:
        for known in (self.shared.id, self._shared_name):
            attached = await self.subject.attach(known)
            try:
                assert attached.endpoint == self.shared.endpoint
                assert attached.id == self.shared.id
                assert await self.python("print(1)", on=attached) == "1\n"
            finally:
                await attached.detach()

    @check(Capability.ATTACH)
    async def test_attach_reports_the_same_guarantees(self) -> None:
        attached = await self.subject.attach(self.shared.id)
        try:
            found, known = attached.guarantees, self.shared.guarantees
            assert found.isolation == known.isolation
            assert found.unmet == known.unmet
            assert found.probe is not None and known.probe is not None
            assert (found.probe.user, found.probe.seccomp) == (
                known.probe.user, known.probe.seccomp
            )  # fmt: skip
        finally:
            await attached.detach()

    @check(Capability.ATTACH)
    async def test_detach_leaves_the_container_running(self) -> None:
        name = self.new_name()
        first = ExecutionContainer(self.tag, backend=self.subject, name=name)
        await first.run()
        await first.detach()
        async with ExecutionContainer.attach(name, backend=self.subject) as again:
            assert await self.python("print(1)", on=again.container) == "1\n"
        assert name in await self.existing()
        await self.subject.remove(name)

    @check(Capability.ATTACH)
    async def test_kill_after_attach_stops_the_container_for_all(self) -> None:
        async with self.started() as container:
            waiting = asyncio.create_task(container.wait())
            attached = await self.subject.attach(container.id)
            await attached.kill()
            assert await self.leftovers() == []
            async with asyncio.timeout(SOON_SECONDS):
                await waiting

    @check(Capability.ATTACH)
    async def test_attached_container_reports_its_exit(self) -> None:
        async with self.started() as container:
            attached = await self.subject.attach(container.id)
            waiting = asyncio.create_task(attached.wait())
            await asyncio.wait([waiting], timeout=0.2)
            await container.kill()
            async with asyncio.timeout(SOON_SECONDS):
                await waiting
            await attached.detach()

    @check(Capability.ATTACH)
    async def test_unknown_container_raises_container_not_found_error(self) -> None:
        async with self.started() as killed:
            pass
        for unknown in ("no-such-container", killed.id):
            with pytest.raises(ContainerNotFoundError):
                await self.subject.attach(unknown)
            with pytest.raises(ContainerNotFoundError):
                await self.subject.logs(unknown)
            with pytest.raises(ContainerNotFoundError):
                await self.subject.remove(unknown)

    @check(Capability.ATTACH)
    async def test_list_reports_running_containers(self) -> None:
        name = self.new_name()
        async with self.started(name=name) as container:
            (info,) = [info for info in await self.subject.list() if info.name == name]
            assert info.id == container.id
            assert info.state == "running"
            assert self.tag in info.image or Capability.IMAGES not in self.capabilities
            assert abs(info.created - time.time()) < 60
            assert not info.abandoned
        assert name not in await self.existing()

    @check(Capability.ATTACH, Capability.LABELS)
    async def test_list_reports_labels(self) -> None:
        labels = {"team": "x y", "empty": "", "a.b/c-d": "é=1,2"}
        name = self.new_name()
        async with self.started(name=name, labels=labels):
            (info,) = [info for info in await self.subject.list() if info.name == name]
            assert labels.items() <= info.labels.items()

    @check(Capability.ATTACH)
    async def test_logs_are_found_by_name_and_by_id(self) -> None:
        name = self.new_name()
        code = f"""{GATEWAY}
with open(f"/proc/{{gateway()}}/fd/2", "w") as log:
    print("first", "second", sep="\\n", file=log, flush=True)
"""
        async with self.started(name=name) as container:
            await self.python(code, on=container)

            async def logged() -> bool:
                return list(await self.subject.logs(name))[-2:] == ["first", "second"]

            await self.until(logged, "two lines in the log")
            assert list(await self.subject.logs(container.id, tail=1)) == ["second"]

    @check(Capability.ATTACH)
    async def test_remove_stops_the_container(self) -> None:
        async with self.started() as container:
            waiting = asyncio.create_task(container.wait())
            results = await asyncio.gather(
                *(self.subject.remove(container.id) for _ in range(3)), return_exceptions=True
            )
            assert None in results
            errors = [error for error in results if error is not None]
            assert all(isinstance(error, ContainerNotFoundError) for error in errors)
            assert await self.leftovers() == []
            async with asyncio.timeout(SOON_SECONDS):
                await waiting

    @check()
    async def test_taken_name_raises_name_taken_error(self) -> None:
        name = self.new_name()
        async with self.started(name=name) as first:
            await self.python("open('mine', 'w').close()", on=first)
            with pytest.raises(NameTakenError, match=name):
                async with self.started(name=name):
                    pass
            # The container that has the name is untouched.
            look = "import os; print(os.path.exists('mine'))"
            assert await self.python(look, on=first) == "True\n"

    @check()
    async def test_name_is_free_once_its_container_is_killed(self) -> None:
        name = self.new_name()
        for _ in range(2):
            async with self.started(name=name) as container:
                assert await self.python("print(1)", on=container) == "1\n"
