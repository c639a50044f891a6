"""What a new kernel shares with others, and how it starts."""

from __future__ import annotations

import asyncio
import uuid

import pytest

from ipybox.errors import ExecutionError, PluginError
from ipybox.plugins.registry import registry
from ipybox.testing.conformance.checks import check
from ipybox.testing.conformance.session.base import SessionChecks

LIFE = """
import os, random, sys, tempfile, uuid
print(random.random())
print(os.environ["TMPDIR"], tempfile.gettempdir() == os.environ["TMPDIR"], os.getpgid(0) == os.getpid())
print(get_ipython().kernel.session.key.decode())
print(uuid.uuid4())
"""  # noqa: E501


class KernelChecks(SessionChecks):
    """Kernels share nothing, and start with the settings of their container."""

    @check()
    async def test_clients_have_separate_variables(self) -> None:
        async with self.client() as one, self.client() as two:
            assert one.kernel_id != two.kernel_id
            await one.execute("mine = 1")
            with pytest.raises(ExecutionError, match="NameError"):
                await two.execute("mine")

    @check()
    async def test_disconnecting_leaves_other_clients_running(self) -> None:
        async with self.client() as staying:
            await staying.execute("kept = 1")
            async with self.client():
                running = await staying.submit("import time; time.sleep(0.5); print(kept)")
            assert (await running.result()).text == "1"

    @check()
    async def test_a_kept_kernel_can_be_used_again(self) -> None:
        async with self.client(keep_kernel=True) as first:
            kernel_id = first.kernel_id
            await first.execute("kept = 1")
        async with self.client(kernel_id=kernel_id) as second:
            assert second.kernel_id == kernel_id
            assert (await second.execute("print(kept)")).text == "1"
        assert kernel_id not in await self.kernels()

    @check()
    async def test_kernels_share_nothing(self) -> None:
        seen = []
        # An argument by which the process is found among all others.
        seconds = f"4711.{uuid.uuid4().int % 10**9}"
        for _ in range(3):
            async with self.client() as client:
                seen.append((await client.execute(LIFE)).stdout.split())
                assert seen[-1][2:4] == ["True", "True"]
                await client.execute("""
                    import builtins, os, pathlib, sys, tempfile
                    sys.leak = builtins.leak = 1
                    os.environ["LEAK"] = "1"
                    (pathlib.Path(tempfile.gettempdir()) / "leak").touch()
                """)
                await client.execute(f"import subprocess; subprocess.Popen(['sleep', '{seconds}'])")
        assert len({tuple(life) for life in seen}) == 3
        for field in (0, 1, 4, 5):
            assert len({life[field] for life in seen}) == 3, seen
        async with self.client() as client:
            result = await client.execute(f"""
                import builtins, os, pathlib, sys, tempfile
                print(hasattr(sys, "leak"), hasattr(builtins, "leak"), "LEAK" in os.environ)
                print(os.listdir(tempfile.gettempdir()))
                print([folder for folder in {[life[1] for life in seen]} if os.path.exists(folder)])
                left = []
                for path in pathlib.Path("/proc").glob("[0-9]*/cmdline"):
                    try:
                        if b"{seconds}" in path.read_bytes().split(b"\\0"):
                            left.append(path.parent.name)
                    except OSError:  # the process has exited meanwhile
                        pass
                print(left)
            """)
            assert result.stdout.splitlines() == ["False False False", "[]", "[]", "[]"]

    @check()
    async def test_preloaded_modules_are_imported(self) -> None:
        env = {"IPYBOX_PRELOAD": "wave, no_such_module,colorsys"}
        async with self.running(env=env) as container:
            async with self.client(container) as client:
                code = (
                    "import sys; print([m in sys.modules for m in ('wave', 'colorsys', 'sndhdr')])"
                )
                assert (await client.execute(code)).text == "[True, True, False]"

            async def logged() -> bool:
                log = "\n".join(await container.logs())
                return "not preloaded: no_such_module: ModuleNotFoundError" in log

            await self.until(logged, "the log names the module that was not preloaded")

    @check()
    async def test_the_first_execution_imports_no_module(self) -> None:
        """Modules that IPython and ipykernel import on first use are imported already."""
        async with self.client() as client:
            await client.execute("import sys; before = set(sys.modules)")
            result = await client.execute("print(sorted(set(sys.modules) - before))\n1")
            assert result.stdout == "[]\n"

    @check()
    async def test_kernels_start_with_the_documented_settings(self) -> None:
        async with self.client() as client:
            result = await client.execute("""
                import os, sys
                shell = get_ipython()
                print(shell.colors, shell.history_manager.enabled, "matplotlib" in sys.modules)
                print(os.environ["MPLBACKEND"], os.getcwd() in sys.path, sys.stdout.isatty())
                print(sys.modules.get("debugpy"))
            """)
            assert result.stdout.splitlines() == [
                "nocolor False False",
                "module://matplotlib_inline.backend_inline True False",
                "None",
            ]
            await client.execute("open('beside.py', 'w').write('value = 5')\nos.chdir('/')")
            assert (await client.execute("import beside; print(beside.value)")).text == "5"

    @check()
    async def test_startup_code_runs_unseen_in_each_kernel(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        code = [
            ("one", "import json as hidden\nhidden.marked = 'one'\nprint('not shown')"),
            ("two", "import json\njson.marked += ' two'\ndef f(): return json\nf()"),
        ]
        monkeypatch.setattr(registry(), "kernel_startup", lambda: code)
        async with self.client() as client:
            for _ in range(2):
                await client.execute("before = set(globals())")
                result = await client.execute("import json; print(json.marked)")
                assert result.stdout == "one two\n"
                shown = "print({'hidden', 'f'} & before, get_ipython().execution_count)"
                # The count is the same as without startup code.
                assert (await client.execute(shown)).text == "set() 4"
                await client.restart()

    @check()
    async def test_failing_startup_code_leaves_no_kernel(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        code = [("broken", "x = 1\n1 / 0")]
        monkeypatch.setattr(registry(), "kernel_startup", lambda: code)
        before = await self.kernels()
        client = self.new_client()
        with pytest.raises(PluginError, match="'broken' failed: ZeroDivisionError"):
            await client.connect()
        assert await self.kernels() == before
        code.clear()
        async with client:
            assert (await client.execute("1")).text == "1"
            assert await self.kernels() == sorted([*before, client.kernel_id])

    @check()
    async def test_50_kernels_run_at_once(self) -> None:
        async def one(number: int) -> str | None:
            async with self.client() as client:
                return (await client.execute(f"print({number})")).text

        answers = await asyncio.gather(*(one(number) for number in range(50)))
        assert answers == [str(number) for number in range(50)]
