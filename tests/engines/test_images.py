"""Images on a real engine: built, found, refused and removed."""

import asyncio
import json
import os
import sys
import time
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from ipybox import ExecutionClient, ExecutionContainer
from ipybox.authoring import BuildEvent, ImageRecipe
from ipybox.errors import ImageBuildError, ImageNotFoundError, ImageRefusedError
from ipybox.image.build_context import BASE_VARIABLE, build_context
from ipybox.plugins.selection import load_backend
from ipybox.spec.image import DEFAULT_BASE, HASH_LABEL, PROTOCOL_LABEL
from tests.engines.engine_cli import EngineCli, ipybox


async def base(engine: EngineCli) -> str:
    """Return the base of images here; `make engines` makes one if none can be pulled."""
    made = "localhost/ipybox-base:bookworm"
    there = (await engine("images", "-q", made)).strip()
    return os.environ.get(BASE_VARIABLE) or (made if there else DEFAULT_BASE)


@pytest.fixture
async def tag(engine: EngineCli) -> AsyncIterator[str]:
    """Yield an image name for one test, and remove the images of that name after it."""
    name = f"ipybox-test/image-{time.monotonic_ns()}"
    yield name
    template = "{{.Repository}}:{{.Tag}}"
    listed = await engine("images", "--filter", f"reference={name}", "--format", template)
    if listed.split():
        await engine("rmi", *listed.split())


@pytest.mark.timeout(400)
async def test_build_makes_an_image_from_the_options_of_its_user(
    engine: EngineCli, tag: str, tmp_path: Path
) -> None:
    """The options: requirements, a Debian package, a base; the code runs as root."""
    requirements = tmp_path / "requirements.txt"
    requirements.write_text("# what we need\neinops==0.8.0  # pinned\n\n")
    done = await ipybox(
        "build", "--recipe", "minimal", "-t", tag, "-d", str(requirements), "-r",
        "--base", await base(engine), "--apt", "sl", "--backend", engine.name,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-3000:]
    assert "step 1/" in done.stderr  # plain lines, in a pipe
    name, by_hash = done.stdout.split()
    assert name == tag
    labels = json.loads(await engine("inspect", "--format", "{{json .Config.Labels}}", by_hash))
    assert by_hash == f"{tag}:{labels[HASH_LABEL][:12]}"
    async with ExecutionContainer(tag=tag) as container:
        async with ExecutionClient(container.port) as client:
            result = await client.execute("""
                import einops, os
                print(einops.__version__, os.getuid(), os.path.exists("/usr/games/sl"))
                !pip install -q cowsay==6.1
                import cowsay
            """)
            assert result.text is not None
            assert result.text.splitlines()[0] == "0.8.0 0 True"
        listed = await ipybox("images", "--json")
        assert by_hash in listed.stdout


@pytest.mark.timeout(400)
async def test_the_same_recipe_builds_the_same_image(engine: EngineCli, tag: str) -> None:
    """Each layer has the same content, so that the engine finds it in its cache."""
    recipe = ImageRecipe(name="minimal", base=await base(engine))
    ids = []
    async with load_backend(engine.name) as backend:
        for _ in range(2):
            async for event in backend.build(build_context(recipe, tags=[tag])):
                if event.kind == "done":
                    ids.append(event.text)
    assert len(ids) == 2
    assert ids[0] == ids[1]


async def test_a_build_leaves_nothing_but_the_runtime(engine: EngineCli) -> None:
    async with ExecutionContainer(tag="ipybox/minimal") as container:
        found = await container.exec(["sh", "-c", "ls -a / /tmp /root 2>/dev/null; ls /opt"])
        assert b"ipybox-build" not in found.stdout
        compiled = await container.exec(
            ["sh", "-c", "find /opt/ipybox -name '*.pyc' | wc -l; find /opt/ipybox -user 1000"]
        )
        count, *owned = compiled.stdout.split()
        assert int(count) > 1000
        assert owned == []
        outside = await container.exec(["sh", "-c", "id -u; pwd; touch /app/x; touch /opt/x"])
        assert outside.stdout == b"1000\n/app\n"
        assert b"/opt/x" in outside.stderr and b"/app/x" not in outside.stderr


@pytest.mark.timeout(400)
async def test_files_of_the_base_and_modes_of_its_folders_are_kept(
    engine: EngineCli, tag: str
) -> None:
    """The files of a recipe are added to those of its base."""
    added = "RUN mkdir -p /root/.cache && touch /root/.cache/a /tmp/b"
    await engine.build(f"{tag}:base", f"FROM {await base(engine)}\nUSER 0\n{added}\n")
    paths = ["/tmp/c", "/root/d", "/var/run/e", "/app/f", "/new $x/g [1]*"]
    recipe = ImageRecipe(
        name="files", base=f"{tag}:base", files={path: path.encode() for path in paths},
        env={"A": "q\"\\ $HOME `id` 'x' é#  end\\"},
    )  # fmt: skip
    async with load_backend(engine.name) as backend:
        async for _ in backend.build(build_context(recipe, tags=[tag])):
            pass
    script = 'cat "$@"; echo; printf "%s\\n" "$A"; stat -c %a /tmp /root; readlink /var/run'
    started = ["run", "--rm", "--user", "0", "--entrypoint", "sh", tag, "-euc", script, "sh"]
    printed = await engine(*started, *paths, "/root/.cache/a", "/tmp/b")
    assert printed.splitlines() == ["".join(paths), recipe.env["A"], "1777", "700", "/run"]


@pytest.mark.parametrize("user", ["4242:4242", None])
async def test_pip_installs_at_run_time_for_any_user(engine: EngineCli, user: str | None) -> None:
    async with ExecutionContainer(tag="ipybox/minimal", user=user) as container:
        async with ExecutionClient(container.port) as client:
            result = await client.execute("""
                !pip install -q cowsay==6.1
                import cowsay, os
                print(cowsay.__version__, os.getuid())
                !cowsay --version >/dev/null && echo found
            """)
    assert result.text is not None
    assert "6.1" in result.text
    assert result.text.splitlines()[-1] == "found"


async def test_a_recipe_is_built_when_a_container_asks_for_its_image(
    engine: EngineCli, tag: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    from ipybox.plugins.registry import registry

    # On a base of its own: steps in the engine's cache print nothing.
    await engine.build(f"{tag}:base", f"FROM ipybox/minimal\nENV IPYBOX_TEST={tag}\n")
    recipe = ImageRecipe(name="ours", tags=(tag,), base=f"{tag}:base")
    monkeypatch.setitem(registry().images, "ours", recipe)
    events: list[BuildEvent] = []
    async with ExecutionContainer(tag=f"{tag}:latest", show_pull_progress=events.append):
        assert events[-1].kind == "done"
        assert {"step", "output"} <= {event.kind for event in events}


async def test_an_image_that_cannot_be_used_raises_with_advice(engine: EngineCli, tag: str) -> None:
    with pytest.raises(ImageNotFoundError, match=r"can't be pulled.*ipybox build -t"):
        await ExecutionContainer(tag="localhost:1/nobody/nothing").run()
    with pytest.raises(ImageRefusedError, match=r"ipybox build --base .* -t"):
        await ExecutionContainer(tag=await base(engine)).run()
    for protocol in ("0", "99"):
        await engine.build(tag, f"FROM ipybox/minimal\nLABEL {PROTOCOL_LABEL}={protocol}\n")
        with pytest.raises(ImageRefusedError, match=f"protocol {protocol}.*ipybox build"):
            await ExecutionContainer(tag=tag).run()


async def test_a_base_without_python_fails_the_build_with_the_reason(
    engine: EngineCli, tag: str
) -> None:
    removed = "rm -f /usr/bin/python3* /usr/local/bin/python3*"
    await engine.build(tag, f"FROM {await base(engine)}\nUSER 0\nRUN {removed}\n")
    result = await ipybox("build", "-t", f"{tag}:made", "--base", tag)
    assert result.returncode == 1
    assert "ipybox: the base has no python3; Python 3.11 or newer is needed." in result.stderr


async def test_a_step_that_fails_raises_with_its_output(engine: EngineCli, tag: str) -> None:
    recipe = ImageRecipe(
        name="bad", base=await base(engine), python_packages=("no-such-package-of-ours==1",)
    )
    with pytest.raises(ImageBuildError) as caught:
        async with load_backend(engine.name) as backend:
            async for _ in backend.build(build_context(recipe, tags=[tag])):
                pass
    assert any("no-such-package-of-ours" in line for line in caught.value.output)


async def test_wrong_options_are_refused_before_anything_is_built(tmp_path: Path) -> None:
    options = tmp_path / "requirements.txt"
    options.write_text("--index-url nowhere\n")
    for arguments, text in [
        (["--recipe", "nothing"], "no recipe 'nothing'. Installed: default, minimal"),
        (["--package", "x"], "Give the image its own name"),
        (["-t", "x", "-d", str(options)], "line 1: '--index-url nowhere' is not a package"),
        (["-t", "x", "-d", str(tmp_path / "none")], "No such file"),
        (["-t", "UPPER CASE"], "is not a valid image name"),
        (["-t", "x", "--package", "-e ."], "must hold requirement specifiers"),
    ]:
        done = await ipybox("build", *arguments)
        assert done.returncode == 2, done.stderr
        assert text in done.stderr.replace("\n", " ")


async def test_build_shows_bars_on_a_terminal(engine: EngineCli) -> None:
    """No plain progress lines appear. The engine has the image in its cache."""
    host, terminal = os.openpty()
    building = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "ipybox.cli", "build", "--recipe", "minimal",
        "--base", await base(engine), "-t", "ipybox/minimal",
        stderr=terminal, stdout=asyncio.subprocess.DEVNULL,
        env={**os.environ, "TERM": "xterm-256color", "COLUMNS": "100"},
    )  # fmt: skip
    os.close(terminal)
    seen = await asyncio.to_thread(_read_all, host)
    assert await building.wait() == 0, seen
    assert b"\x1b[" in seen
    assert "━".encode() in seen
    assert b"step 1/" not in seen


def _read_all(fd: int) -> bytes:
    seen = b""
    try:
        while piece := os.read(fd, 65536):
            seen += piece
    except OSError:  # the other end of the terminal is closed
        pass
    os.close(fd)
    return seen
