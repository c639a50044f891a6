"""``ipybox build``: build an image from a recipe."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer

from ipybox.cli.options import BackendOption, report_errors, run_command
from ipybox.cli.progress import Progress
from ipybox.errors import ImageBuildError, InvalidArgumentError
from ipybox.image.build_context import build_context
from ipybox.plugins.registry import registry
from ipybox.plugins.selection import choose_backend
from ipybox.spec.image import BuildContext, ImageRecipe

MEGABYTE = 1_000_000


def build(
    tag: Annotated[
        list[str] | None, typer.Option("-t", "--tag", help="Name of the image. Repeatable.")
    ] = None,
    dependencies: Annotated[
        Path | None,
        typer.Option(
            "-d", "--dependencies", metavar="FILE", help="Requirements file of packages to install."
        ),
    ] = None,
    root: Annotated[bool, typer.Option("-r", "--root", help="Run code as root.")] = False,
    recipe: Annotated[
        str, typer.Option(help="Recipe to build. `ipybox plugins` lists them.")
    ] = "default",
    base: Annotated[
        str | None,
        typer.Option(metavar="IMAGE", help="Base image to use; needs Python 3.11 or newer."),
    ] = None,
    package: Annotated[
        list[str] | None,
        typer.Option("-p", "--package", help="Python package to install. Repeatable."),
    ] = None,
    apt: Annotated[
        list[str] | None, typer.Option(help="Debian package to install. Repeatable.")
    ] = None,
    backend: BackendOption = None,
) -> None:
    """Build an image from a recipe: a base image with the ipybox runtime on top."""
    with report_errors():
        found = registry().images.get(recipe)
        if found is None:
            known = ", ".join(sorted(registry().images)) or "none"
            raise InvalidArgumentError(f"There is no recipe {recipe!r}. Installed: {known}.")
        packages = [*(package or ()), *(read_requirements(dependencies) if dependencies else ())]
        wanted = extend_recipe(found, base=base, root=root, packages=packages, apt=apt or ())
        if wanted != found and not tag:
            raise InvalidArgumentError(
                f"These options change the recipe {recipe!r}. "
                "Give the image its own name with -t NAME."
            )
        context = build_context(wanted, tags=tag or None)
        code = run_command(_build(context, backend))
    raise typer.Exit(code)


def extend_recipe(
    recipe: ImageRecipe, *, base: str | None, root: bool, packages: Sequence[str],
    apt: Sequence[str],
) -> ImageRecipe:  # fmt: skip
    """Return the recipe with the base, user and packages from the command line applied."""
    return dataclasses.replace(
        recipe,
        base=base or recipe.base,
        user_id=0 if root else recipe.user_id,
        python_packages=(*recipe.python_packages, *packages),
        system_packages=(*recipe.system_packages, *apt),
    )


def read_requirements(path: Path) -> list[str]:
    """Return the packages listed in a requirements file.

    Options, paths and continued lines are refused: the files and folders that they refer to
    are not part of the image.

    Args:
        path: Requirements file, in UTF-8 with or without a byte order mark.

    Returns:
        One requirement specifier per package, without comments.

    Raises:
        InvalidArgumentError: The file can't be read or is not UTF-8, or a line is an option, a
            path or a continued line.
    """
    try:
        lines = path.read_text(encoding="utf-8-sig").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise InvalidArgumentError(
            f"Requirements file {str(path)!r} can't be read: {error}."
        ) from error
    found = []
    for number, line in enumerate(lines, 1):
        text = line.split(" #")[0].strip()
        if not text or text.startswith("#"):
            continue
        if text.startswith(("-", ".", "/", "~")) or text.endswith("\\") or "file:" in text:
            raise InvalidArgumentError(
                f"Requirements file {str(path)!r}, line {number}: {text!r} is not a package. "
                "Options, paths and continued lines are not supported; write one package per line."
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
