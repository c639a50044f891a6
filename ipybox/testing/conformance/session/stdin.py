"""input() and getpass(), answered by a callback of the client."""

from __future__ import annotations

import asyncio
import threading

import pytest

from ipybox.errors import (
    ExecutionError,
    ExecutionTimeoutError,
    InputFailedError,
    InvalidArgumentError,
)
from ipybox.testing.conformance.checks import check
from ipybox.testing.conformance.session.base import PATIENT, SessionChecks

ASKING = (
    "import getpass\nname = input('name? ')\nword = getpass.getpass('word? ')\nprint(name, word)"
)


class StdinChecks(SessionChecks):
    """Code that reads input, with a callback and without one."""

    @check()
    async def test_input_without_a_callback_raises(self) -> None:
        async with self.client() as client:
            with pytest.raises(ExecutionError, match="StdinNotImplementedError"):
                await client.execute("input('name? ')", timeout=20)

    @check()
    async def test_a_function_answers_input(self) -> None:
        async with self.client() as client:
            asked: list[tuple[str, bool]] = []

            def answer(prompt: str, password: bool) -> str:
                asked.append((prompt, password))
                # A function may block, so it is called in another thread.
                assert threading.current_thread() is not threading.main_thread()
                return f"<{prompt.strip()}>"

            result = await client.execute(ASKING, stdin=answer)
            assert result.text == "<name?> <word?>"
            assert asked == [("name? ", False), ("word? ", True)]

    @check()
    async def test_a_coroutine_answers_input(self) -> None:
        async with self.client() as client:

            async def answer(prompt: str, password: bool) -> str:
                await asyncio.sleep(0.05)
                return "ü" * 1000

            result = await client.execute(
                "for i in range(20): assert len(input(i)) == 1000", stdin=answer
            )
            assert result.text is None

    @check()
    async def test_a_callback_serves_one_execution_only(self) -> None:
        async with self.client() as client:
            for _ in range(2):
                with pytest.raises(ExecutionError, match="StdinNotImplementedError"):
                    await client.execute("input('name? ')", timeout=20)
                await client.execute("input()", stdin=lambda prompt, password: "")

    @check()
    async def test_a_failing_callback_fails_the_execution(self) -> None:
        async with self.client() as client:

            def broken(prompt: str, password: bool) -> str:
                raise LookupError("nobody there")

            with pytest.raises(InputFailedError, match="LookupError: nobody there") as caught:
                await client.execute("print('before')\ninput()", stdin=broken)
            assert isinstance(caught.value.__cause__, LookupError)
            assert caught.value.text is not None
            assert caught.value.text.startswith("before")
            with pytest.raises(InputFailedError, match="must return a str, got int"):
                await client.execute("input()", stdin=lambda prompt, password: 7)  # type: ignore[arg-type,return-value]
            assert (await client.execute("print('on')")).text == "on"

    @check()
    async def test_timeout_stops_code_that_waits_for_input(self) -> None:
        async with self.client(timeouts=PATIENT) as client:

            async def never(prompt: str, password: bool) -> str:
                await asyncio.Event().wait()
                return ""

            await client.execute("kept = 1")
            with pytest.raises(ExecutionTimeoutError) as caught:
                await client.execute("input()", timeout=0.5, stdin=never)
            assert caught.value.state == "preserved"
            assert (await client.execute("print(kept)")).text == "1"

    @check()
    async def test_an_invalid_callback_is_refused(self) -> None:
        async with self.client() as client:
            with pytest.raises(InvalidArgumentError, match="stdin must be a callable, got str"):
                await client.submit("1", stdin="yes")  # type: ignore[arg-type]
