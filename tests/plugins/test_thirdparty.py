"""A third-party distribution is installed by pip into its own environment, and used there."""

import json
import os
import subprocess
import sys
import sysconfig
import venv
from pathlib import Path

import pytest

THIRD_PARTY = Path(__file__).parents[1] / "thirdparty"

pytestmark = pytest.mark.slow

USE = """
import asyncio, ipybox, pathlib
from ipybox_toy.plugin import events

async def main():
    async with ipybox.session(backend="toy", env={"A": "b"}) as client:
        result = await client.execute('''
            import os
            print(os.environ["A"], toy())
            display({"text/csv": "x,y"}, raw=True)
        ''')
        print(result.text, result.outputs[0].values["text/csv"])
    try:
        async with ipybox.ExecutionContainer(tag="forbidden", backend="toy"):
            pass
    except ipybox.errors.PluginError as error:
        print(error)
    try:
        async with ipybox.ExecutionContainer(binds={"never-made": "y"}, backend="toy"):
            pass
    except ipybox.errors.UnsupportedError as error:
        print(error, pathlib.Path("never-made").exists())
    print([event.name for event in events])

asyncio.run(main())
"""


@pytest.fixture(scope="module")
def environment(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Create a virtual environment with the third-party distribution on top of this one.

    Returns the folder of its programs.
    """
    folder = tmp_path_factory.mktemp("third-party")
    venv.EnvBuilder(symlinks=True).create(str(folder))
    base = sysconfig.get_paths()["purelib"]
    (packages,) = folder.glob("lib/python*/site-packages")
    (packages / "base.pth").write_text(f"import site; site.addsitedir({base!r})\n")
    pip = [sys.executable, "-m", "pip", "--python", str(folder / "bin/python"), "install"]
    subprocess.run(
        [*pip, "--quiet", "--no-index", "--no-deps", "--no-build-isolation", str(THIRD_PARTY)],
        check=True,
        timeout=100,
    )
    return folder / "bin"


def run(command: list[str], **variables: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        command,
        env={**os.environ, **variables},
        capture_output=True,
        text=True,
        timeout=60,
    )


def test_all_that_the_plugin_registers_is_used(environment: Path) -> None:
    done = run([str(environment / "python"), "-c", USE])
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    assert lines[0] == "b toy of b [['x', 'y']]"
    assert "'toy' refused the start: PermissionError: this image is not allowed" in lines[1]
    assert "'toy' does not support binds" in lines[2]
    assert lines[2].endswith("False")
    assert lines[3] == str(
        ["container.starting", "container.ready", "kernel.connected", "execution.started",
         "execution.ended", "kernel.disconnected", "container.ended"]
    )  # fmt: skip


def test_the_plugin_is_listed_and_can_be_disabled(environment: Path) -> None:
    command = [str(environment / "python"), "-m", "ipybox.cli", "plugins", "--json"]
    toy = {row["name"]: row for row in json.loads(run(command).stdout)}["toy"]
    assert (toy["distribution"], toy["version"], toy["status"]) == ("ipybox-toy", "0.3.0", "active")
    assert toy["provides"] == ["backend toy", "image recipe toy", "output handler toy-csv"]
    rows = json.loads(run(command, IPYBOX_DISABLE_PLUGINS="toy,outputs").stdout)
    assert {row["name"]: row["status"] for row in rows} == {
        "docker": "active", "images": "active", "local": "active", "outputs": "disabled",
        "podman": "active",
        "toy": "disabled",
    }  # fmt: skip


def test_the_environment_of_the_tests_does_not_have_the_plugin() -> None:
    done = run([sys.executable, "-c", "import ipybox_toy"])
    assert "ModuleNotFoundError" in done.stderr
