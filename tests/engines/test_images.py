"""Images on a real engine: built, found, refused, removed."""

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
from tests.engines.witness import Witness, ipybox


async def base(engine: Witness) -> str:
    """What images are built on here; `make engines` makes one where none can be pulled."""
    made = "localhost/ipybox-base:bookworm"
    there = (await engine("images", "-q", made)).strip()
    return os.environ.get(BASE_VARIABLE) or (made if there else DEFAULT_BASE)


@pytest.fixture
async def tag(engine: Witness) -> AsyncIterator[str]:
    """An image name of the test's own; the image goes with the test."""
    name = f"ipybox-test/image-{time.monotonic_ns()}"
    yield name
    template = "{{.Repository}}:{{.Tag}}"
    listed = await engine("images", "--filter", f"reference={name}", "--format", template)
    if listed.split():
        await engine("rmi", *listed.split())


@pytest.mark.timeout(400)
async def test_an_image_of_ones_own(engine: Witness, tag: str, tmp_path: Path) -> None:
    """Requirements, a Debian package, a base of one's own; as root."""
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


async def test_the_same_recipe_is_the_same_image(engine: Witness, tag: str) -> None:
    """The engine's cache takes it for the same: each layer has the same content."""
    recipe = ImageRecipe(name="minimal", base=await base(engine))
    ids = []
    async with load_backend(engine.name) as backend:
        for _ in range(2):
            async for event in backend.build(build_context(recipe, tags=[tag])):
                if event.kind == "done":
                    ids.append(event.text)
    assert len(ids) == 2
    assert ids[0] == ids[1]


async def test_nothing_of_the_build_is_left(engine: Witness) -> None:
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
async def test_what_the_base_has_stays_as_it_was(engine: Witness, tag: str) -> None:
    """Files of a recipe and of its base are there, their folders as open as they were."""
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
    told = await engine(*started, *paths, "/root/.cache/a", "/tmp/b")
    assert told.splitlines() == ["".join(paths), recipe.env["A"], "1777", "700", "/run"]


@pytest.mark.parametrize("user", ["4242:4242", None])
async def test_pip_at_run_time_as_any_user(engine: Witness, user: str | None) -> None:
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


async def test_a_recipe_is_built_when_its_tag_is_asked_for(
    engine: Witness, tag: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    from ipybox.plugins.registry import registry

    # A base of its own: were its steps in the engine's cache, they would put out nothing.
    await engine.build(f"{tag}:base", f"FROM ipybox/minimal\nENV IPYBOX_TEST={tag}\n")
    recipe = ImageRecipe(name="ours", tags=(tag,), base=f"{tag}:base")
    monkeypatch.setitem(registry().images, "ours", recipe)
    events: list[BuildEvent] = []
    container = ExecutionContainer(tag=f"{tag}:latest")
    monkeypatch.setattr(container, "_tell_progress", events.append)
    async with container:
        assert events[-1].kind == "done"
        assert {"step", "output"} <= {event.kind for event in events}


async def test_images_that_can_not_be_used(engine: Witness, tag: str) -> None:
    with pytest.raises(ImageNotFoundError, match=r"can't be pulled.*ipybox build -t"):
        await ExecutionContainer(tag="localhost:1/nobody/nothing").run()
    with pytest.raises(ImageRefusedError, match=r"ipybox build --base .* -t"):
        await ExecutionContainer(tag=await base(engine)).run()
    for protocol in ("0", "99"):
        await engine.build(tag, f"FROM ipybox/minimal\nLABEL {PROTOCOL_LABEL}={protocol}\n")
        with pytest.raises(ImageRefusedError, match=f"protocol {protocol}.*ipybox build"):
            await ExecutionContainer(tag=tag).run()


async def test_a_base_without_python(engine: Witness, tag: str) -> None:
    removed = "rm -f /usr/bin/python3* /usr/local/bin/python3*"
    await engine.build(tag, f"FROM {await base(engine)}\nUSER 0\nRUN {removed}\n")
    result = await ipybox("build", "-t", f"{tag}:made", "--base", tag)
    assert result.returncode == 1
    assert "ipybox: the base has no python3; Python 3.11 or newer is needed." in result.stderr


async def test_a_step_that_fails_shows_its_output(engine: Witness, tag: str) -> None:
    recipe = ImageRecipe(
        name="bad", base=await base(engine), python_packages=("no-such-package-of-ours==1",)
    )
    with pytest.raises(ImageBuildError) as caught:
        async with load_backend(engine.name) as backend:
            async for _ in backend.build(build_context(recipe, tags=[tag])):
                pass
    assert any("no-such-package-of-ours" in line for line in caught.value.output)


async def test_wrong_use_is_told_before_anything_is_built(tmp_path: Path) -> None:
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


async def test_bars_on_a_terminal(engine: Witness) -> None:
    """A terminal gets bars, and no plain lines; a build that the engine has in its cache."""
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
    except OSError:  # the terminal's other end was closed
        pass
    os.close(fd)
    return seen
