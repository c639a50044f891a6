"""Build contexts of recipes."""

import dataclasses
import io
import json
import tarfile
import tomllib
from pathlib import Path

import pytest
from ipybox_runtime import RUNTIME_VERSION

from ipybox import InvalidArgumentError
from ipybox.authoring import ImageRecipe
from ipybox.image.build_context import BASE_VARIABLE, build_context, pack

RECIPE = ImageRecipe(name="r", tags=("a/b", "host:5000/c:v1"), python_packages=("einops>=0.8",))


def test_equal_recipes_give_equal_bytes() -> None:
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
def test_each_field_of_a_recipe_changes_the_hash(change: dict[str, object]) -> None:
    changed = dataclasses.replace(RECIPE, **change)  # type: ignore[arg-type]
    assert build_context(changed).content_hash != build_context(RECIPE).content_hash


def test_the_archive_holds_runtime_requirements_and_files() -> None:
    recipe = dataclasses.replace(RECIPE, files={"/etc/x y": b"\0z"})
    with tarfile.open(fileobj=io.BytesIO(pack(build_context(recipe)))) as archive:
        names = archive.getnames()
        assert {item.mtime for item in archive} == {0}
        held = archive.extractfile("files.tar")
        assert held is not None
        with tarfile.open(fileobj=held) as inner:
            (item,) = inner  # the file, without its folder
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


def test_the_image_gets_the_requirements_and_entry_point_of_the_distribution() -> None:
    """The extra ``local`` and the entry point are defined in pyproject.toml only."""
    text = (Path(__file__).parents[3] / "pyproject.toml").read_text()
    project = tomllib.loads(text)["project"]
    files = build_context(ImageRecipe(name="x", tags=("a/b",))).files
    requirements = files["build/requirements.txt"].decode().splitlines()
    assert requirements == sorted(project["optional-dependencies"]["local"])
    group = "jupyter_client.kernel_provisioners"
    ((name, target),) = project["entry-points"][group].items()
    (held,) = (data for path, data in files.items() if path.endswith("/entry_points.txt"))
    assert held.decode() == f"[{group}]\n{name} = {target}\n"
    info = f"build/runtime/ipybox_runtime-{RUNTIME_VERSION}.dist-info"
    record = files[f"{info}/RECORD"].decode().splitlines()
    assert {f"build/runtime/{line.removesuffix(',,')}" for line in record} == {
        path for path in files if path.startswith("build/runtime/")
    }


def test_no_field_of_a_recipe_can_add_an_instruction() -> None:
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


def test_a_variable_replaces_the_default_base(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(BASE_VARIABLE, "my/base")
    assert build_context(RECIPE).files["Dockerfile"].startswith(b"FROM my/base AS build\n")
    own = dataclasses.replace(RECIPE, base="x/y")
    assert build_context(own).files["Dockerfile"].startswith(b"FROM x/y AS build\n")
    monkeypatch.setenv(BASE_VARIABLE, "x\nRUN y")
    with pytest.raises(InvalidArgumentError, match=f"{BASE_VARIABLE}: .* not a valid image"):
        build_context(RECIPE)


@pytest.mark.parametrize("tags", [[], ["A/B"], ["a/b@sha256:" + "0" * 64]])
def test_invalid_image_names_are_refused(tags: list[str]) -> None:
    with pytest.raises(InvalidArgumentError):
        build_context(RECIPE, tags=tags)
