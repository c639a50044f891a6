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
            assert (await client.execute("print('Hello, world!')")).text == "Hello, world!"

    @check()
    async def test_state_lasts_as_long_as_the_client(self) -> None:
        async with self.client() as client:
            assert (await client.execute("x = 1")).text is None
            assert (await client.execute("print(x)")).text == "1"
        async with self.client() as client:
            with pytest.raises(ExecutionError) as caught:
                await client.execute("print(x)")
            assert caught.value.args[0] == "NameError: name 'x' is not defined"

    @check()
    async def test_each_line_streams_as_it_is_written(self) -> None:
        code = """
            import sys
            for i in range(5):
                sys.stdout.write(f"Processing step {i}\\n")
                input()  # the next line waits until the client has seen this one
        """
        steps = [f"Processing step {i}\n" for i in range(5)]
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
            assert pieces == steps
            assert (await execution.result()).text == "".join(steps).rstrip()

    @pytest.mark.index
    @check(seconds=250)
    async def test_pip_installs_from_the_index(self) -> None:
        async with self.session() as client:
            await client.execute("!pip install einops", timeout=200)
            result = await client.execute("""
                import einops
                print(einops.__version__)
            """)
            assert result.text is not None
            assert result.text[0].isdigit()

    @check(Capability.BINDS)
    async def test_bind_mounts_share_files_with_the_host(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """One host folder exists already, the other is made."""
        monkeypatch.chdir(tmp_path)
        (tmp_path / "data").mkdir()
        (tmp_path / "data/input.txt").write_text("hello world")
        async with self.session(binds={"./data": "data", "./output": "output"}) as client:
            await client.execute("""
                with open('data/input.txt') as f:
                    data = f.read()
                processed = data.upper()
                with open('output/result.txt', 'w') as f:
                    f.write(processed)
            """)
        assert (tmp_path / "output/result.txt").read_text() == "HELLO WORLD"

    @check()
    async def test_environment_variables_arrive_unchanged(self) -> None:
        """This includes values that a shell would split or expand."""
        env = {"API_KEY": "secret-key-123", "DEBUG": "1", "ODD": "a b'\"$HOME\n=ü", "EMPTY": ""}
        async with self.session(env=env) as client:
            result = await client.execute(
                f"import os, subprocess\nprint({{name: os.environ[name] for name in {[*env]}}})"
            )
            assert result.text == repr(env)
            assert (await client.execute("!echo $API_KEY")).text == "secret-key-123"
