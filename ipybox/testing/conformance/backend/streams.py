"""A command's standard input and output as a byte stream: ``open_stream``."""

from __future__ import annotations

import asyncio
import os

import pytest

from ipybox.backend import Capability
from ipybox.errors import BackendError
from ipybox.testing.conformance.backend.commands import CommandChecks
from ipybox.testing.conformance.base import SOON_SECONDS
from ipybox.testing.conformance.checks import check

NOT_STARTED = (126, 127)
"""Exit codes of a shell that could not start a command."""


class StreamChecks(CommandChecks):
    @check(Capability.EXEC)
    async def test_stream_reads_and_writes_at_once(self) -> None:
        data = os.urandom(500_000)
        async with await self.shared.open_stream(["cat"]) as stream:
            await stream.write(b"ping")
            assert await stream.read() == b"ping"

            async def feed() -> None:
                await stream.write(data)
                await stream.write_eof()

            feeding = asyncio.create_task(feed())
            back = bytearray()
            while piece := await stream.read(10_000):
                assert len(piece) <= 10_000
                back += piece
            await feeding
            assert bytes(back) == data
            assert await stream.read() == b""
            assert await stream.exit_code() == 0

    @check(Capability.EXEC)
    async def test_stream_returns_the_exit_code(self) -> None:
        async with await self.shared.open_stream(["sh", "-c", "cat; exit 7"]) as stream:
            exiting = asyncio.create_task(stream.exit_code())
            assert not (await asyncio.wait([exiting], timeout=0.3))[0]
            await stream.write_eof()
            assert await stream.read() == b""
            assert await exiting == 7

    @check(Capability.EXEC)
    async def test_stream_returns_standard_output_only(self) -> None:
        async with await self.shared.open_stream(["sh", "-c", "echo no >&2; echo yes"]) as stream:
            found = b""
            while piece := await stream.read():
                found += piece
            assert found == b"yes\n"

    @check(Capability.EXEC)
    async def test_closing_a_stream_kills_its_command(self) -> None:
        stream = await self.shared.open_stream(["sh", "-c", "echo up; exec sleep 765432"])
        assert await stream.read() == b"up\n"
        await stream.aclose()
        await stream.aclose()
        await self.nothing_runs("765432")
        with pytest.raises(BackendError):
            await stream.write(b"x")

    @check(Capability.EXEC)
    async def test_cancelled_read_loses_nothing(self) -> None:
        async with await self.shared.open_stream(["cat"]) as stream:
            with pytest.raises(TimeoutError):
                async with asyncio.timeout(0.2):
                    await stream.read()
            await stream.write(b"still there")
            async with asyncio.timeout(SOON_SECONDS):
                assert await stream.read() == b"still there"

    @check(Capability.EXEC)
    async def test_write_waits_for_the_command_to_read(self) -> None:
        async with await self.shared.open_stream(["sleep", "654321"]) as stream:

            async def flood() -> None:
                for _ in range(200):
                    await stream.write(b"x" * 1_000_000)

            flooding = asyncio.create_task(flood())
            done, _ = await asyncio.wait([flooding], timeout=1.0)
            flooding.cancel()
            await asyncio.wait([flooding])
            assert not done, "200 MB were written to a command that reads nothing"

    @check(Capability.EXEC)
    async def test_stream_of_an_unknown_program_fails(self) -> None:
        async with asyncio.timeout(SOON_SECONDS):
            try:
                async with await self.shared.open_stream(["/no/such/program"]) as stream:
                    while await stream.read():
                        pass
                    assert await stream.exit_code() in NOT_STARTED
            except BackendError:
                pass  # reported at once, which is even better
