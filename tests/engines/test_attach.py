"""Attaching to a container that runs already."""

from ipybox import ExecutionClient, ExecutionContainer
from ipybox.gateway.started import find_container
from tests.engines.engine_cli import EngineCli


async def test_leaving_an_attach_keeps_the_token_in_the_process_that_started_the_container(
    engine: EngineCli,
) -> None:
    async with ExecutionContainer() as container:
        async with ExecutionContainer.attach(container.id) as attached:
            async with ExecutionClient(attached.port) as client:
                assert (await client.execute("1")).text == "1"
        async with ExecutionClient(container.port) as client:
            assert (await client.execute("2")).text == "2"


async def test_leaving_an_attach_does_not_report_the_container_as_killed(
    engine: EngineCli,
) -> None:
    async with ExecutionContainer() as container:
        async with ExecutionContainer.attach(container.id) as attached:
            entry = find_container("localhost", attached.port)
        assert entry is not None
        assert entry.ended.cancelled()
        assert entry.status is None
