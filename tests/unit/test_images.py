"""Recipes, and the contexts that are made of them: without an engine."""

import asyncio
import dataclasses
import io
import json
import tarfile
import tomllib
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from ipybox_runtime import RUNTIME_VERSION

from ipybox import InvalidArgumentError
from ipybox.authoring import (
    Availability,
    Backend,
    BuildContext,
    BuildEvent,
    Container,
    ContainerSpec,
    ImageInfo,
    ImageRecipe,
)
from ipybox.cli.build import extend_recipe, read_requirements
from ipybox.errors import ImageNotFoundError, ImageRefusedError
from ipybox.image.build_context import BASE_VARIABLE, build_context, pack
from ipybox.image.resolve import claiming, ensure_image
from ipybox.spec.image import PROTOCOL_LABEL

RECIPE = ImageRecipe(name="r", tags=("a/b", "host:5000/c:v1"), python_packages=("einops>=0.8",))


def test_the_same_recipe_gives_the_same_bytes() -> None:
    first, second = (build_context(dataclasses.replace(RECIPE)) for _ in range(2))
    assert pack(first) == pack(second)
    assert first.content_hash == second.content_hash
    short = first.content_hash[:12]
    assert first.tags == ("a/b", "host:5000/c:v1", f"a/b:{short}", f"host:5000/c:{short}")


@pytest.mark.parametrize(
    "change",
    [
        {"base": "x/y"}, {"system_packages": ("a",)}, {"python_packages": ()},
        {"files": {"/a": b"b"}}, {"env": {"A": "b"}}, {"user_id": 5}, {"preload": ("numpy",)},
        {"name": "other"},
    ],
)  # fmt: skip
def test_each_part_changes_the_hash(change: dict[str, object]) -> None:
    changed = dataclasses.replace(RECIPE, **change)  # type: ignore[arg-type]
    assert build_context(changed).content_hash != build_context(RECIPE).content_hash


def test_the_archive_holds_all_of_it() -> None:
    recipe = dataclasses.replace(RECIPE, files={"/etc/x y": b"\0z"})
    with tarfile.open(fileobj=io.BytesIO(pack(build_context(recipe)))) as archive:
        names = archive.getnames()
        assert {item.mtime for item in archive} == {0}
        held = archive.extractfile("files.tar")
        assert held is not None
        with tarfile.open(fileobj=held) as inner:
            (item,) = inner  # the file, and not its folder
            content = inner.extractfile(item)
            assert item.name == "etc/x y"
            assert content is not None and content.read() == b"\0z"
        requirements = archive.extractfile("build/requirements.txt")
        assert requirements is not None
        lines = requirements.read().decode().splitlines()
    assert "einops>=0.8" in lines
    assert any(line.startswith("ipykernel") for line in lines)
    assert "build/runtime/ipybox_runtime/wire.py" in names
    assert not any("__pycache__" in name for name in names)


def test_the_image_has_what_the_distribution_says() -> None:
    """One truth: the extra ``local``, and the entry point of the runtime."""
    text = (Path(__file__).parents[2] / "pyproject.toml").read_text()
    project = tomllib.loads(text)["project"]
    files = build_context(ImageRecipe(name="x", tags=("a/b",))).files
    requirements = files["build/requirements.txt"].decode().splitlines()
    assert requirements == sorted(project["optional-dependencies"]["local"])
    group = "jupyter_client.kernel_provisioners"
    ((name, target),) = project["entry-points"][group].items()
    (held,) = (data for path, data in files.items() if path.endswith("/entry_points.txt"))
    assert held.decode() == f"[{group}]\n{name} = {target}\n"
    about = f"build/runtime/ipybox_runtime-{RUNTIME_VERSION}.dist-info"
    record = files[f"{about}/RECORD"].decode().splitlines()
    assert {f"build/runtime/{line.removesuffix(',,')}" for line in record} == {
        path for path in files if path.startswith("build/runtime/")
    }


def test_nothing_of_a_recipe_is_taken_for_an_instruction() -> None:
    recipe = ImageRecipe(
        name="evil", tags=("a/b",), system_packages=("x; touch /y", "$(z)"),
        env={"A": 'q"\\ $HOME `id`'}, files={"/a\nUSER 0": b""},
        python_packages=("x; python_version > '3'",),
    )  # fmt: skip
    text = build_context(recipe).files["Dockerfile"].decode()
    assert "'x; touch /y' '$(z)'" in text
    assert 'ENV A="q\\"\\\\ \\$HOME `id`"' in text
    for line in text.splitlines():
        word = line.split()[0]
        assert word in {"FROM", "USER", "COPY", "ADD", "RUN", "ENV", "WORKDIR", "ENTRYPOINT", "CMD"}
        if word == "RUN":
            assert json.loads(line[4:])[:2] == ["/bin/sh", "-c"]
    with pytest.raises(InvalidArgumentError, match="line break"):
        build_context(ImageRecipe(name="x", tags=("a/b",), env={"A": "1\nUSER 0"}))


@pytest.mark.parametrize(
    "bad",
    [
        {"name": "UPPER"}, {"tags": ("A/B",)}, {"tags": ("a b",)}, {"base": "x\nRUN y"},
        {"python_packages": ("-e .",)}, {"python_packages": ("a\nb",)}, {"system_packages": ("",)},
        {"python_packages": ("a\x0b--option",)}, {"python_packages": ("a\u2028--option",)},
        {"python_packages": ("\ud800",)}, {"system_packages": ("a\0",)},
        {"files": {"relative": b""}}, {"files": {"/a/../b": b""}}, {"files": {"/": b""}},
        {"files": {"/a/": b""}}, {"files": {"//a": b""}}, {"files": {"/a/./b": b""}},
        {"files": {"/a": b"", "/a/b": b""}},
        {"env": {"A B": "c"}}, {"env": {"A": "\0"}}, {"env": {"A": "\ud800"}}, {"user_id": -1},
    ],
)  # fmt: skip
def test_bad_recipes(bad: dict[str, object]) -> None:
    with pytest.raises(InvalidArgumentError):
        ImageRecipe(**{"name": "x", **bad})  # type: ignore[arg-type]


def test_another_base_where_the_default_is_out_of_reach(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(BASE_VARIABLE, "my/base")
    assert build_context(RECIPE).files["Dockerfile"].startswith(b"FROM my/base AS build\n")
    own = dataclasses.replace(RECIPE, base="x/y")
    assert build_context(own).files["Dockerfile"].startswith(b"FROM x/y AS build\n")
    monkeypatch.setenv(BASE_VARIABLE, "x\nRUN y")
    with pytest.raises(InvalidArgumentError, match=f"{BASE_VARIABLE}: .* names no image"):
        build_context(RECIPE)


@pytest.mark.parametrize("tags", [[], ["A/B"], ["a/b@sha256:" + "0" * 64]])
def test_names_that_no_image_can_be_given(tags: list[str]) -> None:
    with pytest.raises(InvalidArgumentError):
        build_context(RECIPE, tags=tags)


def test_requirement_files(tmp_path: Path) -> None:
    path = tmp_path / "requirements.txt"
    path.write_bytes(b"\xef\xbb\xbf# ours\r\n\r\n einops==0.8.0  # pinned\r\nx[y]; a < '3'\r\n")
    assert read_requirements(path) == ["einops==0.8.0", "x[y]; a < '3'"]
    for line in (
        "-r other.txt", "-e .", "--index-url=x", "./here", "../there", "/abs", "~/home",
        "x @ file:///abs", "x==1 \\",
    ):  # fmt: skip
        path.write_text(f"einops\n{line}\n")
        with pytest.raises(InvalidArgumentError, match=r"line 2: .* is not a package"):
            read_requirements(path)
    with pytest.raises(InvalidArgumentError, match="No such file"):
        read_requirements(tmp_path / "none")


def test_what_the_command_line_adds() -> None:
    assert extend_recipe(RECIPE, base=None, root=False, packages=(), apt=()) == RECIPE
    made = extend_recipe(RECIPE, base="x/y", root=True, packages=["a"], apt=["b"])
    assert (made.base, made.user_id) == ("x/y", 0)
    assert made.python_packages == ("einops>=0.8", "a")
    assert made.system_packages == ("b",)


def test_recipes_are_found_by_any_way_to_write_their_tag() -> None:
    for tag in ("gradion/ipybox", "gradion/ipybox:latest", "docker.io/gradion/ipybox"):
        found = claiming(tag)
        assert found is not None and found.name == "default"
    assert claiming("gradion/ipybox:v2") is None
    assert claiming("ipybox") is None


class Shelf(Backend):
    """An engine's images, and what was done to get them."""

    name = "shelf"

    def __init__(self, **labels: str) -> None:
        self.labels = labels
        self.there: set[str] = set()
        self.done: list[str] = []

    async def availability(self) -> Availability:
        return Availability(ready=True)

    async def create(self, spec: ContainerSpec) -> Container:
        raise NotImplementedError

    async def image(self, tag: str) -> ImageInfo | None:
        if tag not in self.there:
            return None
        return ImageInfo(id="i", tags=(tag,), labels=self.labels, size_bytes=1, created=0)

    async def pull(self, tag: str) -> AsyncIterator[BuildEvent]:
        self.done.append("pull")
        if "nowhere" in tag:
            raise ImageNotFoundError(tag)
        self.there.add(tag)
        yield BuildEvent(kind="done")

    async def build(self, context: BuildContext) -> AsyncIterator[BuildEvent]:
        self.done.append(f"build {context.recipe}")
        self.there.update(context.tags)
        yield BuildEvent(kind="done")


def test_the_order_of_the_search() -> None:
    good = {PROTOCOL_LABEL: "1"}
    for tag, there, expected in [
        ("gradion/ipybox", True, []),
        ("gradion/ipybox", False, ["build default"]),
        ("some/image", False, ["pull"]),
    ]:
        shelf = Shelf(**good)
        if there:
            shelf.there.add(tag)
        events: list[BuildEvent] = []
        asyncio.run(ensure_image(shelf, tag, on_event=events.append))
        assert shelf.done == expected
        assert len(events) == len(expected)
    with pytest.raises(ImageNotFoundError):
        asyncio.run(ensure_image(Shelf(**good), "nowhere", on_event=print))


@pytest.mark.parametrize(
    ("labels", "tag", "told"),
    [
        ({}, "some/image", "ipybox build --base some/image -t image-ipybox"),
        ({PROTOCOL_LABEL: "99"}, "gradion/ipybox", "ipybox build --recipe default"),
        ({PROTOCOL_LABEL: "0"}, "some/image", "ipybox build --base YOUR-BASE -t some/image"),
    ],
)
def test_images_that_are_refused(labels: dict[str, str], tag: str, told: str) -> None:
    shelf = Shelf(**labels)
    shelf.there.add(tag)
    with pytest.raises(ImageRefusedError, match=told):
        asyncio.run(ensure_image(shelf, tag, on_event=print))
