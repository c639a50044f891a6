"""A container from creation to removal."""

from __future__ import annotations

import asyncio

import pytest

from ipybox.backend import Capability
from ipybox.errors import ContainerStartError
from ipybox.testing.conformance.base import SOON_SECONDS, Conformance
from ipybox.testing.conformance.checks import check


class LifecycleChecks(Conformance):
    @check()
    async def test_declared_capabilities_match_the_backend(self) -> None:
        assert self.subject.capabilities == self.capabilities

    @check()
    async def test_availability_answers_soon_and_repeatedly(self) -> None:
        async with asyncio.timeout(SOON_SECONDS):
            found = [await self.subject.availability() for _ in range(3)]
        assert all(state.ready and state.version for state in found)

    @check()
    async def test_nested_entry_of_the_backend_closes_nothing_in_use(self) -> None:
        async with self.subject as entered:
            assert entered is self.subject
        assert await self.python("print(1)") == "1\n"

    @check()
    async def test_endpoint_is_none_unless_running(self) -> None:
        async with self.created() as container:
            assert container.endpoint is None
            endpoint = await container.start()
            assert container.endpoint == endpoint
            await container.kill()
            assert container.endpoint is None

    @check()
    async def test_gateway_answers_when_start_returns(self) -> None:
        spec = self.spec()
        container = await self.subject.create(spec)
        try:
            endpoint = await container.start()
            assert endpoint.token == spec.token
            _, writer = await asyncio.open_connection(endpoint.host, endpoint.port)
            writer.close()  # connected at the first attempt
            assert await self.python("print(6 * 7)", on=container) == "42\n"
        finally:
            await container.kill()

    @check()
    async def test_id_is_unique_and_known_before_start(self) -> None:
        async with self.created() as first, self.created() as second:
            assert first.id and second.id
            assert first.id != second.id
            early = first.id
            await first.start()
            if Capability.ATTACH in self.capabilities:
                again = await self.subject.attach(early)
                assert again.endpoint == first.endpoint
                await again.detach()
            else:
                assert first.id == early

    @check()
    async def test_containers_do_not_share_files(self) -> None:
        async with self.started() as other:
            await self.python("open('mine', 'w').close()", on=other)
            look = "import os; print(os.path.exists('mine'))"
            assert await self.python(look, on=other) == "True\n"
            assert await self.python(look) == "False\n"

    @check()
    async def test_work_home_and_temporary_folders_are_writable(self) -> None:
        code = """
            import os, tempfile
            for folder in (os.getcwd(), os.path.expanduser("~"), tempfile.gettempdir()):
                with tempfile.TemporaryFile(dir=folder) as file:
                    file.write(b"x")
            print("written")
        """
        assert await self.python(code) == "written\n"

    @check()
    async def test_start_fails_after_start_timeout(self) -> None:
        async with self.created(start_timeout=0.05) as container:
            with pytest.raises(ContainerStartError, match="start_timeout"):
                await container.start()
        assert container.endpoint is None

    @check()
    async def test_start_reports_what_the_runtime_refuses(self) -> None:
        # The runtime wants a longer token; a start can fail like this on every engine.
        async with self.created(token="short") as container:
            with pytest.raises(ContainerStartError, match="32 characters"):
                await container.start()

    @check()
    async def test_start_reports_the_log_of_a_container_that_exits(self) -> None:
        async with self.created(env={"PYTHONHOME": "/nowhere"}) as container:
            # No interpreter starts with that variable. It logs why, and the start fails at once.
            async with asyncio.timeout(SOON_SECONDS):
                with pytest.raises(ContainerStartError, match="encodings"):
                    await container.start()
        assert container.endpoint is None
