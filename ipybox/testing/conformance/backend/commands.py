"""Commands that run beside the kernels: ``exec``."""

from __future__ import annotations

import asyncio
from typing import Literal

import pytest

from ipybox.backend import Capability
from ipybox.errors import BackendError, EngineTimeoutError
from ipybox.testing.conformance.base import SOON_SECONDS, Conformance
from ipybox.testing.conformance.checks import check

ODD = ["two words", "", "'q' \"qq\"", "$HOME `id` *", "a\nb", "é 漢"]


class CommandChecks(Conformance):
    @check(Capability.EXEC)
    async def test_exec_returns_exit_code_and_both_streams(self) -> None:
        result = await self.shared.exec(["sh", "-c", "echo out; echo err >&2; exit 3"])
        found = (result.exit_code, result.stdout, result.stderr, bool(result.truncated))
        assert found == (3, b"out\n", b"err\n", False)

    @check(Capability.EXEC)
    async def test_exec_passes_input_and_end_of_file(self) -> None:
        data = bytes(range(256)) * 2000
        assert (await self.shared.exec(["cat"], stdin=data)).stdout == data

    @check(Capability.EXEC)
    async def test_exec_without_input_passes_end_of_file(self) -> None:
        assert (await self.shared.exec(["cat"], timeout=SOON_SECONDS)).stdout == b""

    @check(Capability.EXEC)
    async def test_exec_accepts_a_command_that_ignores_its_input(self) -> None:
        result = await self.shared.exec(["sh", "-c", "exit 5"], stdin=b"x" * 1_000_000)
        assert result.exit_code == 5

    @check(Capability.EXEC)
    async def test_exec_does_not_use_a_shell(self) -> None:
        python = (await self.python("import sys; print(sys.executable)")).strip()
        result = await self.shared.exec([python, "-c", "import sys; print(sys.argv[1:])", *ODD])
        assert result.stdout.decode() == f"{ODD}\n"

    @check(Capability.EXEC)
    async def test_exec_applies_env_and_workdir(self) -> None:
        async with self.started(env={"OF_THE_SPEC": "x y"}) as container:
            script = 'printf "%s|%s|" "$A" "$OF_THE_SPEC"; pwd'
            command = container.exec(["sh", "-c", script], env={"A": "1\n2"}, workdir="/usr")
            assert (await command).stdout == b"1\n2|x y|/usr\n"

    @check(Capability.EXEC)
    async def test_exec_runs_as_the_user_of_the_kernels(self) -> None:
        found = await self.shared.exec(["sh", "-c", "id -u; id -g"])
        code = "import os; print(os.getuid(), os.getgid(), sep='\\n')"
        assert found.stdout.decode() == await self.python(code)

    @check(Capability.EXEC)
    async def test_exec_of_an_unknown_program_raises_backend_error(self) -> None:
        with pytest.raises(BackendError, match="/no/such/program"):
            await self.shared.exec(["/no/such/program"])
        assert (await self.shared.exec(["sh", "-c", "exit 127"])).exit_code == 127

    @check(Capability.EXEC)
    async def test_exec_in_an_unknown_folder_raises_backend_error(self) -> None:
        with pytest.raises(BackendError):
            await self.shared.exec(["true"], workdir="/no/such/folder")

    @check(Capability.EXEC)
    async def test_exec_timeout_kills_the_command_and_its_children(self) -> None:
        with pytest.raises(EngineTimeoutError):
            await self.shared.exec(["sh", "-c", "sleep 987654 & sleep 987654"], timeout=1)
        await self.nothing_runs("987654")

    @check(Capability.EXEC)
    async def test_cancelled_exec_kills_its_command(self) -> None:
        running = asyncio.create_task(self.shared.exec(["sleep", "876543"]))

        async def started() -> bool:
            return await self.runs("876543")

        await self.until(started, "the command has started")
        running.cancel()
        await asyncio.wait([running])
        assert running.cancelled()
        await self.nothing_runs("876543")

    @check(Capability.EXEC)
    async def test_exec_reports_output_as_it_arrives(self) -> None:
        came = asyncio.Event()
        pieces: list[tuple[str, bytes]] = []

        def collect(stream: Literal["stdout", "stderr"], data: bytes) -> None:
            pieces.append((stream, data))
            came.set()

        # The command exits only after its first output has arrived here.
        script = "echo first; until [ -e /tmp/go-on ]; do sleep 0.05; done; echo last >&2"
        running = asyncio.create_task(self.shared.exec(["sh", "-c", script], on_output=collect))
        async with asyncio.timeout(SOON_SECONDS):
            await came.wait()
            assert pieces == [("stdout", b"first\n")]
            await self.shared.exec(["touch", "/tmp/go-on"])  # in the container
            await running
        assert pieces[1:] == [("stderr", b"last\n")]

    @check(Capability.EXEC)
    async def test_exec_keeps_max_bytes_and_counts_the_rest(self) -> None:
        seen = 0

        def count(stream: str, data: bytes) -> None:
            nonlocal seen
            seen += len(data)

        script = "head -c 300000 /dev/zero; head -c 2000 /dev/zero >&2"
        result = await self.shared.exec(["sh", "-c", script], on_output=count, max_bytes=1000)
        assert seen == 302_000
        assert (len(result.stdout), len(result.stderr)) == (1000, 1000)
        assert result.truncated.text == 300_000

    @check(Capability.EXEC)
    async def test_concurrent_commands_keep_their_results_apart(self) -> None:
        commands = [self.shared.exec(["sh", "-c", f"echo {i}; exit {i}"]) for i in range(6)]
        results = await asyncio.gather(*commands)
        assert [(r.exit_code, r.stdout) for r in results] == [
            (i, f"{i}\n".encode()) for i in range(6)
        ]

    @check(Capability.EXEC)
    async def test_exec_needs_a_running_container(self) -> None:
        async with self.created() as container:
            with pytest.raises(BackendError):
                await container.exec(["true"])
            await container.start()
            await container.kill()
            with pytest.raises(BackendError):
                await container.exec(["true"])
            with pytest.raises(BackendError):
                await container.open_stream(["true"])

    async def runs(self, argument: str) -> bool:
        """Whether a process in the shared container has this text in its arguments."""
        code = f"""
            import glob
            for path in glob.glob("/proc/[0-9]*/cmdline"):
                try:
                    if b"{argument}" in open(path, "rb").read():
                        print(path)
                except OSError:
                    pass
        """
        return bool(await self.python(code))

    async def nothing_runs(self, argument: str, seconds: float = 2) -> None:
        async def gone() -> bool:
            return not await self.runs(argument)

        await self.until(gone, "the command is gone", seconds)
