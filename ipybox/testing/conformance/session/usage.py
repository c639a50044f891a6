"""What the usage page shows, in the order of its sections."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from ipybox.backend import Capability
from ipybox.errors import ExecutionError
from ipybox.session import session
from ipybox.testing.conformance.checks import check
from ipybox.testing.conformance.session.base import SessionChecks


class UsageChecks(SessionChecks):
    """Each use runs in a container that is started as a user starts it."""

    @check()
    async def test_session_runs_code(self) -> None:
        options = {"tag": self.tag, **self.options}
        async with session(backend=self.subject, **options) as client:
            answer = await client.execute("print('the answer is', 6 * 7)")
            assert answer.text == "the answer is 42"

    @check()
    async def test_state_lasts_as_long_as_the_client(self) -> None:
        async with self.client() as client:
            assert (await client.execute("visitors = ['Ada']")).text is None
            assert (await client.execute("visitors.append('Alan')")).text is None
            assert (await client.execute("print(*visitors)")).text == "Ada Alan"
        async with self.client() as client:
            with pytest.raises(ExecutionError) as caught:
                await client.execute("print(*visitors)")
            assert caught.value.args[0] == "NameError: name 'visitors' is not defined"

    @check()
    async def test_each_line_streams_as_it_is_written(self) -> None:
        code = """
            import sys
            for lap in range(1, 6):
                sys.stdout.write(f"lap {lap} of 5\\n")
                input()  # the next line waits until the client has seen this one
        """
        laps = [f"lap {lap} of 5\n" for lap in range(1, 6)]
        async with self.client() as client:
            seen: asyncio.Queue[str] = asyncio.Queue()

            async def go_on(prompt: str, password: bool) -> str:
                await seen.get()
                return ""

            execution = await client.submit(code, stdin=go_on)
            pieces: list[str] = []
            async for piece in execution.stream():
                pieces.append(piece)
                seen.put_nowait(piece)
            assert pieces == laps
            assert (await execution.result()).text == "".join(laps).rstrip()

    @pytest.mark.index
    @check(seconds=250)
    async def test_pip_installs_from_the_index(self) -> None:
        async with self.session() as client:
            await client.execute("!pip install tabulate", timeout=200)
            result = await client.execute("""
                from tabulate import tabulate
                print(tabulate([("fig", 3)], tablefmt="plain"))
            """)
            assert result.text == "fig  3"

    @check(Capability.BINDS)
    async def test_bind_mounts_share_files_with_the_host(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """One host folder exists already, the other is made."""
        monkeypatch.chdir(tmp_path)
        (tmp_path / "prices").mkdir()
        (tmp_path / "prices/fruit.csv").write_text("fig,3\npear,4\n")
        async with self.session(binds={"./prices": "prices", "./sums": "sums"}) as client:
            await client.execute("""
                with open("prices/fruit.csv") as fruit, open("sums/fruit.txt", "w") as total:
                    total.write(str(sum(int(line.split(",")[1]) for line in fruit)))
            """)
        assert (tmp_path / "sums/fruit.txt").read_text() == "7"

    @check()
    async def test_environment_variables_arrive_unchanged(self) -> None:
        """This includes values that a shell would split or expand."""
        env = {"CITY": "Bern", "SEATS": "4", "ODD": "a b'\"$HOME\n=ü", "EMPTY": ""}
        async with self.session(env=env) as client:
            result = await client.execute(
                f"import os, subprocess\nprint({{name: os.environ[name] for name in {[*env]}}})"
            )
            assert result.text == repr(env)
            assert (await client.execute("!echo $CITY")).text == "Bern"
