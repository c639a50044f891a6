"""What the usage page shows, in the order of its sections."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from ipybox.backend import Capability
from ipybox.errors import ExecutionError
from ipybox.session import session
from ipybox.testing.conformance.checks import check
from ipybox.testing.conformance.session.shared import SessionChecks


class PromiseChecks(SessionChecks):
    """Each in containers as a user starts them."""

    @check()
    async def test_basic_usage(self) -> None:
        options = {"tag": self.tag, **self.options}
        async with session(backend=self.subject, **options) as client:
            assert (await client.execute("print('Hello, world!')")).text == "Hello, world!"

    @check()
    async def test_state_lives_as_long_as_its_client(self) -> None:
        async with self.client() as client:
            assert (await client.execute("x = 1")).text is None
            assert (await client.execute("print(x)")).text == "1"
        async with self.client() as client:
            with pytest.raises(ExecutionError) as caught:
                await client.execute("print(x)")
            assert caught.value.args[0] == "NameError: name 'x' is not defined"

    @check()
    async def test_streaming(self) -> None:
        code = """
            import sys
            for i in range(5):
                sys.stdout.write(f"Processing step {i}\\n")
                input()  # the next comes when this one was seen
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
    async def test_a_package_from_the_index(self) -> None:
        async with self.session() as client:
            await client.execute("!pip install einops", timeout=200)
            result = await client.execute("""
                import einops
                print(einops.__version__)
            """)
            assert result.text is not None
            assert result.text[0].isdigit()

    @check(Capability.BINDS)
    async def test_bind_mounts(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        """The one is there already, the other is made."""
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
    async def test_environment_variables(self) -> None:
        """Also those that a shell would take apart."""
        env = {"API_KEY": "secret-key-123", "DEBUG": "1", "ODD": "a b'\"$HOME\n=ü", "EMPTY": ""}
        async with self.session(env=env) as client:
            result = await client.execute(
                f"import os, subprocess\nprint({{name: os.environ[name] for name in {[*env]}}})"
            )
            assert result.text == repr(env)
            assert (await client.execute("!echo $API_KEY")).text == "secret-key-123"
