"""Validation of image recipes."""

import dataclasses
import re
from pathlib import Path

import pytest

from ipybox import InvalidArgumentError
from ipybox.authoring import ImageRecipe
from ipybox.spec.image import split_name


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
def test_invalid_recipes_are_refused(bad: dict[str, object]) -> None:
    with pytest.raises(InvalidArgumentError):
        ImageRecipe(**{"name": "x", **bad})  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("name", "repository", "tag"),
    [
        ("python", "python", ""),
        ("python:3.13", "python", "3.13"),
        ("host:5000/team/image", "host:5000/team/image", ""),
        ("host:5000/team/image:v1", "host:5000/team/image", "v1"),
        ("team/image:v1@sha256:" + "0" * 64, "team/image", "v1"),
    ],
)
def test_an_image_name_is_split_at_the_colon_of_its_tag(
    name: str, repository: str, tag: str
) -> None:
    assert split_name(name) == (repository, tag)


def test_the_docs_list_every_field_of_a_recipe() -> None:
    page = (Path(__file__).parents[3] / "docs/images.md").read_text()
    rows = re.findall(r"^\| `(\w+)` \|", page.partition("## Fields of a recipe")[2], re.MULTILINE)
    assert rows == [field.name for field in dataclasses.fields(ImageRecipe)]
