"""From creation to removal."""

from __future__ import annotations

import asyncio

import pytest

from ipybox.backend import Capability
from ipybox.errors import ContainerStartError
from ipybox.testing.conformance.base import SOON_SECONDS, Conformance
from ipybox.testing.conformance.checks import check


class LifecycleChecks(Conformance):
    @check()
    async def test_capabilities_are_those_of_the_backend(self) -> None:
        assert self.subject.capabilities == self.capabilities

    @check()
    async def test_availability_is_told_soon_and_again(self) -> None:
        async with asyncio.timeout(SOON_SECONDS):
            found = [await self.subject.availability() for _ in range(3)]
        assert all(state.ready and state.version for state in found)

    @check()
    async def test_entering_and_leaving_it_again_closes_nothing_in_use(self) -> None:
        async with self.subject as entered:
            assert entered is self.subject
        assert await self.python("print(1)") == "1\n"

    @check()
    async def test_no_endpoint_before_the_start_and_after_the_end(self) -> None:
        async with self.created() as container:
            assert container.endpoint is None
            endpoint = await container.start()
            assert container.endpoint == endpoint
            await container.kill()
            assert container.endpoint is None

    @check()
    async def test_the_gateway_answers_when_the_start_returns(self) -> None:
        spec = self.spec()
        container = await self.subject.create(spec)
        try:
            endpoint = await container.start()
            assert endpoint.token == spec.token
            _, writer = await asyncio.open_connection(endpoint.host, endpoint.port)
            writer.close()  # at the first try
            assert await self.python("print(6 * 7)", on=container) == "42\n"
        finally:
            await container.kill()

    @check()
    async def test_the_id_is_known_before_the_start_and_its_own(self) -> None:
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
    async def test_each_container_has_files_of_its_own(self) -> None:
        async with self.started() as other:
            await self.python("open('mine', 'w').close()", on=other)
            look = "import os; print(os.path.exists('mine'))"
            assert await self.python(look, on=other) == "True\n"
            assert await self.python(look) == "False\n"

    @check()
    async def test_code_can_write_where_programs_expect_it(self) -> None:
        code = """
            import os, tempfile
            for folder in (os.getcwd(), os.path.expanduser("~"), tempfile.gettempdir()):
                with tempfile.TemporaryFile(dir=folder) as file:
                    file.write(b"x")
            print("written")
        """
        assert await self.python(code) == "written\n"

    @check()
    async def test_a_start_that_takes_too_long_is_given_up(self) -> None:
        async with self.created(start_timeout=0.05) as container:
            with pytest.raises(ContainerStartError, match="start_timeout"):
                await container.start()
        assert container.endpoint is None

    @check()
    async def test_what_the_runtime_refuses_is_told(self) -> None:
        # The runtime wants a longer one: this is how a start fails in every engine.
        async with self.created(token="short") as container:
            with pytest.raises(ContainerStartError, match="32 characters"):
                await container.start()

    @check()
    async def test_a_container_that_dies_while_it_starts_is_told_with_its_log(self) -> None:
        async with self.created(env={"PYTHONHOME": "/nowhere"}) as container:
            # No interpreter starts with that; it says so, and it is not waited for any more.
            async with asyncio.timeout(SOON_SECONDS):
                with pytest.raises(ContainerStartError, match="encodings"):
                    await container.start()
        assert container.endpoint is None
