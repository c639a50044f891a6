"""Cancellation at every await: whatever is interrupted leaves nothing behind."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Generator
from pathlib import Path
from typing import Any

from ipybox.backend import Capability
from ipybox.container import ExecutionContainer
from ipybox.errors import IpyboxError
from ipybox.testing.conformance.backend.commands import CommandChecks
from ipybox.testing.conformance.checks import check

SECONDS = 600.0
"""Time limit of a check that starts a container for each await it cancels."""
MAX_POINTS = 32
"""Most awaits that a check cancels, one at a time. The built-in backends have fewer; if an
operation has more, the check spreads its cancellations over all of them."""


class CancelAt:
    """An awaitable that cancels its own task at the ``at``-th suspension, as ``Task.cancel`` does.

    Attributes:
        count: Number of suspensions so far.
    """

    def __init__(self, work: Awaitable[object], at: int | None = None) -> None:
        self.count = 0
        self._work = work
        self._at = at

    def __await__(self) -> Generator[Any, Any, object]:
        steps = self._work.__await__()
        value: object = None
        failure: BaseException | None = None
        while True:
            try:
                waited_for = steps.send(value) if failure is None else steps.throw(failure)
            except StopIteration as done:
                return done.value
            self.count += 1
            if self.count == self._at:
                task = asyncio.current_task()
                assert task is not None
                task.cancel()
            value, failure = None, None
            try:
                value = yield waited_for
            except BaseException as error:  # thrown into the work, as a task does
                failure = error


async def cancelled_at(work: Awaitable[object], at: int | None) -> int:
    """Run the work in a task, cancel it at a suspension, and return how many there were.

    Args:
        work: Anything that can be awaited.
        at: Number of the suspension, from 1; None to run the work to its end.

    Raises:
        Exception: Whatever the work raises.
    """
    steps = CancelAt(work, at)

    async def drive() -> None:
        await steps

    task = asyncio.create_task(drive())
    await asyncio.wait([task])
    if not task.cancelled() and (error := task.exception()) is not None:
        raise error
    return steps.count


def points(count: int) -> list[int]:
    """Return at most MAX_POINTS numbers, spread evenly from 1 to ``count``, both included."""
    if count <= MAX_POINTS:
        return list(range(1, count + 1))
    return sorted({1 + round(i * (count - 1) / (MAX_POINTS - 1)) for i in range(MAX_POINTS)})


class CancellationChecks(CommandChecks):
    @check(seconds=SECONDS)
    async def test_start_cancelled_at_any_await_leaves_nothing(self) -> None:
        async def start(at: int | None) -> int:
            container = await self.subject.create(self.spec())
            try:
                return await cancelled_at(container.start(), at)
            finally:
                await container.kill()
                assert container.endpoint is None

        await self._at_each(start)

    @check(seconds=SECONDS)
    async def test_run_cancelled_at_any_await_leaves_nothing(self, tmp_path: Path) -> None:
        """Through the library, which has to call ``kill`` by itself."""
        binds = {str(tmp_path): "x"} if Capability.BINDS in self.capabilities else None

        async def run(at: int | None) -> int:
            container = ExecutionContainer(
                self.tag, backend=self.subject, name=self.new_name(), binds=binds, **self.options
            )
            count = await cancelled_at(container.run(), at)
            if at is None or count < at:  # the container started before the cancellation
                await container.kill()
            return count

        await self._at_each(run)

    @check(seconds=SECONDS)
    async def test_kill_cancelled_at_any_await_can_be_repeated(self) -> None:
        async def kill(at: int | None) -> int:
            async with self.started() as container:
                return await cancelled_at(container.kill(), at)

        await self._at_each(kill)

    @check(seconds=SECONDS)
    async def test_stop_cancelled_at_any_await_leaves_nothing(self) -> None:
        """Through the library, which then kills the container without waiting."""

        async def stop(at: int | None) -> int:
            container = ExecutionContainer(
                self.tag, backend=self.subject, name=self.new_name(), **self.options
            )
            await container.run()
            return await cancelled_at(container.stop(), at)

        await self._at_each(stop)

    @check(Capability.ATTACH)
    async def test_attach_cancelled_at_any_await_does_no_harm(self) -> None:
        async def attach(at: int | None) -> int:
            async def hold() -> None:
                attached = await self.subject.attach(self.shared.id)
                await attached.detach()

            return await cancelled_at(hold(), at)

        await self._at_each(attach)
        assert await self.python("print(1)") == "1\n"

    @check(Capability.EXEC)
    async def test_exec_cancelled_at_any_await_kills_its_command(self) -> None:
        async def command(at: int | None) -> int:
            work = self.shared.exec(["sh", "-c", "sleep 0.2; exec sleep 543210"], timeout=0.5)
            try:
                return await cancelled_at(work, at)
            except IpyboxError:
                return MAX_POINTS  # the command ran into its time limit

        await self._at_each(command)
        await self.nothing_runs("543210", seconds=5)

    async def _at_each(self, work: Callable[[int | None], Awaitable[int]]) -> None:
        """Run the work once to its end, then once for each suspension to cancel it there."""
        before = asyncio.all_tasks()
        count = await work(None)
        assert count > 0
        for at in points(count):
            await work(at)
            assert await self.leftovers() == [], f"cancelled at await {at} of {count}"
            left = {task for task in asyncio.all_tasks() - before if not task.done()}
            assert not left, f"cancelled at await {at} of {count}, these tasks still run: {left}"
