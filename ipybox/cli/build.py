"""``ipybox build``: makes an image."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer

from ipybox.cli.options import BackendOption, errors_told, run_to_end
from ipybox.cli.progress import Progress
from ipybox.errors import ImageBuildError, InvalidArgumentError
from ipybox.image.build_context import build_context
from ipybox.plugins.registry import registry
from ipybox.plugins.selection import choose_backend
from ipybox.spec.image import BuildContext, ImageRecipe

MEGABYTE = 1_000_000


def build(
    tag: Annotated[
        list[str] | None, typer.Option("-t", "--tag", help="The image's name. Repeatable.")
    ] = None,
    dependencies: Annotated[
        Path | None,
        typer.Option("-d", "--dependencies", metavar="FILE", help="A requirements file."),
    ] = None,
    root: Annotated[bool, typer.Option("-r", "--root", help="The code runs as root.")] = False,
    recipe: Annotated[str, typer.Option(help="What to build; `ipybox plugins` lists.")] = "default",
    base: Annotated[
        str | None, typer.Option(metavar="IMAGE", help="Any image with Python 3.11 or newer.")
    ] = None,
    package: Annotated[
        list[str] | None, typer.Option("-p", "--package", help="A Python package. Repeatable.")
    ] = None,
    apt: Annotated[list[str] | None, typer.Option(help="A Debian package. Repeatable.")] = None,
    backend: BackendOption = None,
) -> None:
    """Builds an image from a recipe, with the runtime on top of a base."""
    with errors_told():
        found = registry().images.get(recipe)
        if found is None:
            known = ", ".join(sorted(registry().images)) or "none"
            raise InvalidArgumentError(f"there is no recipe {recipe!r}. Installed: {known}.")
        packages = [*(package or ()), *(read_requirements(dependencies) if dependencies else ())]
        wanted = changed(found, base=base, root=root, packages=packages, apt=apt or ())
        if wanted != found and not tag:
            raise InvalidArgumentError(
                f"this is not what the recipe {recipe!r} is; give the image a name of its own: "
                "-t NAME."
            )
        context = build_context(wanted, tags=tag or None)
        code = run_to_end(_build(context, backend))
    raise typer.Exit(code)


def changed(
    recipe: ImageRecipe, *, base: str | None, root: bool, packages: Sequence[str],
    apt: Sequence[str],
) -> ImageRecipe:  # fmt: skip
    """The recipe with what the command line adds to it."""
    return dataclasses.replace(
        recipe,
        base=base or recipe.base,
        user_id=0 if root else recipe.user_id,
        python_packages=(*recipe.python_packages, *packages),
        system_packages=(*recipe.system_packages, *apt),
    )


def read_requirements(path: Path) -> list[str]:
    """The packages of a requirements file. Raises InvalidArgumentError for what only pip
    could follow: other files and folders are not part of an image."""
    try:
        lines = path.read_text(encoding="utf-8-sig").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise InvalidArgumentError(f"dependencies {str(path)!r}: {error}") from error
    found = []
    for number, line in enumerate(lines, 1):
        text = line.split(" #")[0].strip()
        if not text or text.startswith("#"):
            continue
        if text.startswith(("-", ".", "/", "~")) or text.endswith("\\") or "file:" in text:
            raise InvalidArgumentError(
                f"dependencies {str(path)!r}, line {number}: {text!r} is no package; options, "
                "paths and continued lines can't be used here. Write one package a line."
            )
        found.append(text)
    return found


async def _build(context: BuildContext, backend: str | None) -> int:
    chosen = await choose_backend(backend)
    async with chosen:
        try:
            with Progress(context.tags[0]) as progress:
                async for event in chosen.build(context):
                    progress.show(event)
        except ImageBuildError as error:
            for line in error.output:
                typer.echo(line, err=True)
            raise
        image = await chosen.image(context.tags[0])
    for name in context.tags:
        typer.echo(name)
    if image is not None:
        typer.echo(f"{image.id} {image.size_bytes / MEGABYTE:.0f} MB", err=True)
    return 0
