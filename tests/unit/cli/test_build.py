"""``ipybox build``: requirements files, and options that change a recipe."""

from pathlib import Path

import pytest

from ipybox import InvalidArgumentError
from ipybox.authoring import ImageRecipe
from ipybox.cli.build import extend_recipe, read_requirements

RECIPE = ImageRecipe(name="r", tags=("a/b",), python_packages=("einops>=0.8",))


def test_requirements_files_list_packages_only(tmp_path: Path) -> None:
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


def test_options_add_to_the_recipe() -> None:
    assert extend_recipe(RECIPE, base=None, root=False, packages=(), apt=()) == RECIPE
    made = extend_recipe(RECIPE, base="x/y", root=True, packages=["a"], apt=["b"])
    assert (made.base, made.user_id) == ("x/y", 0)
    assert made.python_packages == ("einops>=0.8", "a")
    assert made.system_packages == ("b",)
