"""What a new kernel is like."""

import asyncio
import os
import stat
import tempfile
from pathlib import Path

import psutil
import pytest

from ipybox import ExecutionClient, ExecutionContainer, PluginError
from ipybox.plugins import registry

LIFE = """
import os, random, sys, tempfile, uuid
print(random.random())
print(os.environ["TMPDIR"], tempfile.gettempdir() == os.environ["TMPDIR"], os.getpgid(0) == os.getpid())
print(get_ipython().kernel.session.key.decode())
print(uuid.uuid4())
"""  # noqa: E501


async def test_kernels_share_nothing(container: ExecutionContainer) -> None:
    seen = []
    for _ in range(3):
        async with ExecutionClient(container.port) as client:
            seen.append((await client.execute(LIFE)).stdout.split())
            assert seen[-1][2:4] == ["True", "True"]
            await client.execute("""
                import builtins, os, pathlib, sys, tempfile
                sys.leak = builtins.leak = 1
                os.environ["LEAK"] = "1"
                (pathlib.Path(tempfile.gettempdir()) / "leak").touch()
                import subprocess
                subprocess.Popen(["sleep", "4711"])
            """)
    assert len({tuple(life) for life in seen}) == 3
    for field in (0, 1, 4, 5):
        assert len({life[field] for life in seen}) == 3, seen
    async with ExecutionClient(container.port) as client:
        result = await client.execute(f"""
            import builtins, os, pathlib, sys, tempfile
            print(hasattr(sys, "leak"), hasattr(builtins, "leak"), "LEAK" in os.environ)
            print(os.listdir(tempfile.gettempdir()))
            print([folder for folder in {[life[1] for life in seen]} if os.path.exists(folder)])
            print([p for p in os.listdir("/proc") if p.isdigit()
                and b"4711" in open(f"/proc/{{p}}/cmdline", "rb").read().split(b"\\0")])
        """)
        assert result.stdout.splitlines() == ["False False False", "[]", "[]", "[]"]


async def test_the_fork_server_is_fit_to_fork(local: str) -> None:
    """One thread, no event loop, no ZMQ; its socket is for this user alone."""
    async with ExecutionContainer(backend="local") as container:
        async with ExecutionClient(container.port) as client, ExecutionClient(container.port):
            code = "import os; print(os.getppid())"
            server = psutil.Process(int((await client.execute(code)).text or 0))
            assert "forkserver" in " ".join(server.cmdline())
            assert server.num_threads() == 1
            folder = Path(f"/proc/{server.pid}/fd")
            kinds = [os.readlink(fd) for fd in folder.iterdir()]
            assert not [kind for kind in kinds if "eventfd" in kind], kinds  # ZMQ has these
            assert len([kind for kind in kinds if "eventpoll" in kind]) == 1  # its selector
            (path,) = Path(tempfile.gettempdir(), container.id).glob("tmp/f-*/s")
            assert stat.S_IMODE(path.stat().st_mode) == 0o600
            assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
            rows = (await client.status())["kernels"]
            assert [row["forked"] for row in rows] == [True, True]
            assert {psutil.Process(row["pid"]).ppid() for row in rows} == {server.pid}


async def test_numpy_has_a_seed_of_its_own_where_it_is_preloaded(local: str) -> None:
    async with ExecutionContainer(backend="local", env={"IPYBOX_PRELOAD": "numpy"}) as container:
        numbers = set()
        for _ in range(2):
            async with ExecutionClient(container.port) as client:
                result = await client.execute("import numpy; print(numpy.random.rand())")
                numbers.add(result.text)
    assert len(numbers) == 2


async def test_preload(local: str) -> None:
    env = {"IPYBOX_PRELOAD": "wave, no_such_module,colorsys"}
    async with ExecutionContainer(backend="local", env=env) as container:
        async with ExecutionClient(container.port) as client:
            code = "import sys; print([m in sys.modules for m in ('wave', 'colorsys', 'sndhdr')])"
            assert (await client.execute(code)).text == "[True, True, False]"
        log = "\n".join(await container.logs())
        assert "not preloaded: no_such_module: ModuleNotFoundError" in log


async def test_first_cell_imports_nothing_of_ours(client: ExecutionClient) -> None:
    """What IPython and ipykernel import when they are first used is there already."""
    await client.execute("import sys; before = set(sys.modules)")
    result = await client.execute("print(sorted(set(sys.modules) - before))\n1")
    assert result.stdout == "[]\n"


async def test_settings(client: ExecutionClient) -> None:
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


async def test_the_debugger_comes_back_by_option(local: str) -> None:
    async with ExecutionContainer(backend="local", env={"IPYBOX_DEBUGGER": "1"}) as container:
        async with ExecutionClient(container.port) as client:
            result = await client.execute("import debugpy; print(debugpy.__name__)")
            assert result.text == "debugpy"


@pytest.mark.index
@pytest.mark.timeout(300)
async def test_figures(local: str) -> None:
    """PNG by itself, SVG by option, each from the same picture."""
    plot = "import matplotlib.pyplot as plt\nplt.plot([1, 2])\nplt.show()"
    for name in ("png", "svg"):
        env = {"IPYBOX_FIGURE_FORMAT": name}
        async with ExecutionContainer(backend="local", env=env) as container:
            async with ExecutionClient(container.port) as client:
                await client.execute("%pip install -q matplotlib", timeout=250)
                result = await client.execute(plot)
                if name == "png":
                    assert [min(image.size) > 200 for image in result.images] == [True]
                else:
                    assert "<svg" in result.outputs[0].values["image/svg+xml"]


@pytest.fixture
def startup(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, str]]:
    code: list[tuple[str, str]] = []
    monkeypatch.setattr(registry(), "kernel_startup", lambda: code)
    return code


async def test_startup_code(container: ExecutionContainer, startup: list[tuple[str, str]]) -> None:
    startup += [
        ("one", "import json as hidden\nhidden.marked = 'one'\nprint('not shown')"),
        ("two", "import json\njson.marked += ' two'\ndef f(): return json\nf()"),
    ]
    async with ExecutionClient(container.port) as client:
        for _ in range(2):
            await client.execute("before = set(globals())")
            result = await client.execute("import json; print(json.marked)")
            assert result.stdout == "one two\n"
            code = "print({'hidden', 'f'} & before, get_ipython().execution_count)"
            assert (await client.execute(code)).text == "set() 4"  # as without start-up code
            await client.restart()


async def test_startup_code_that_fails(
    container: ExecutionContainer, startup: list[tuple[str, str]]
) -> None:
    startup.append(("broken", "x = 1\n1 / 0"))
    client = ExecutionClient(container.port)
    with pytest.raises(PluginError, match="'broken' failed: ZeroDivisionError"):
        await client.connect()
    startup.clear()
    async with client:
        assert (await client.execute("1")).text == "1"
        assert len((await client.status())["kernels"]) <= 2  # one, and the module's own


async def test_50_kernels_at_once(container: ExecutionContainer) -> None:
    async def one(number: int) -> str | None:
        async with ExecutionClient(container.port) as client:
            return (await client.execute(f"print({number})")).text

    answers = await asyncio.gather(*(one(number) for number in range(50)))
    assert answers == [str(number) for number in range(50)]
