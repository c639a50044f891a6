"""Recipes of container images, build contexts, build events and images: plain data."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from ipybox.errors import InvalidArgumentError
from ipybox.validation import describe, is_valid_unicode

DEFAULT_BASE = "docker.io/library/python:3.13-slim"
DEFAULT_USER_ID = 1000

RECIPE_LABEL = "ipybox.recipe"
HASH_LABEL = "ipybox.hash"
RUNTIME_LABEL = "ipybox.runtime"
PROTOCOL_LABEL = "ipybox.protocol"

MAX_USER_ID = 65534
RECIPE_NAME = re.compile(r"[a-z0-9][a-z0-9_.-]{0,127}")
VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
MAX_IMAGE_NAME_CHARS = 500
IMAGE_NAME = re.compile(
    r"(?:[A-Za-z0-9.-]+(?::[0-9]+)?/)?"  # a registry
    r"[a-z0-9]+(?:[._/-]+[a-z0-9]+)*"
    r"(?::[A-Za-z0-9_][A-Za-z0-9_.-]{0,127})?"
    r"(?:@sha256:[0-9a-f]{64})?"
)


@dataclass(frozen=True, kw_only=True)
class ImageRecipe:
    """What an image consists of: additions to a base image, besides the runtime.

    Attributes:
        name: Unique name of the recipe: lower-case letters, digits, ``.``, ``_`` and ``-``.
        tags: Image names that are built from this recipe.
        base: The base image: any image with Python 3.11 or newer. Default: ``DEFAULT_BASE``.
        system_packages: Names of Debian packages to install.
        python_packages: Requirement specifiers of Python packages to install.
        files: Files to add: absolute path in the image mapped to content.
        env: Environment variables of every container.
        user_id: Id of the user that runs the gateway and the code, 0 to 65534; 0 is root.
            Default: 1000.
        preload: Modules that are imported in advance, so that every kernel starts with them.

    Raises:
        InvalidArgumentError: If a value could not be used in an image.
    """

    name: str
    tags: tuple[str, ...] = ()
    base: str = DEFAULT_BASE
    system_packages: tuple[str, ...] = ()
    python_packages: tuple[str, ...] = ()
    files: Mapping[str, bytes] = field(default_factory=dict)
    env: Mapping[str, str] = field(default_factory=dict)
    user_id: int = DEFAULT_USER_ID
    preload: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if not RECIPE_NAME.fullmatch(self.name):
            raise InvalidArgumentError(
                "The name of a recipe must be lower-case letters, digits, '.', '_' and '-', "
                f"starting with a letter or digit, got {describe(self.name)}."
            )
        for image_name in (*self.tags, self.base):
            check_image_name(image_name)
        self._check_packages()
        self._check_files()
        for name, value in self.env.items():
            if not VARIABLE.fullmatch(name) or not _can_be_stored(value):
                raise InvalidArgumentError(
                    f"Recipe {self.name!r}: the environment variable {name!r} can't be set. Its "
                    "name must be letters, digits and '_', and its value valid Unicode without NUL."
                )
        if not 0 <= self.user_id <= MAX_USER_ID:
            raise InvalidArgumentError(
                f"Recipe {self.name!r}: user_id must be from 0 to {MAX_USER_ID}, "
                f"got {describe(self.user_id)}."
            )

    def _check_packages(self) -> None:
        for kind in ("system_packages", "python_packages", "preload"):
            for item in getattr(self, kind):
                # splitlines(), because package installers split at more than line feeds.
                if not item.strip() or len(item.splitlines()) > 1 or not _can_be_stored(item):
                    raise InvalidArgumentError(
                        f"Recipe {self.name!r}: {kind} must hold non-empty names of one line, in "
                        f"valid Unicode without NUL, got {describe(item)}."
                    )
        for item in self.python_packages:
            if item.lstrip().startswith(("-", "#")):
                raise InvalidArgumentError(
                    f"Recipe {self.name!r}: python_packages must hold requirement specifiers, "
                    f"not options or comments, got {describe(item)}."
                )

    def _check_files(self) -> None:
        for path in self.files:
            root, *parts = path.split("/")
            if root or not _can_be_stored(path) or any(part in {"", ".", ".."} for part in parts):
                raise InvalidArgumentError(
                    f"Recipe {self.name!r}: the path of a file must be absolute, without empty "
                    f"parts, '.' and '..', got {describe(path)}."
                )
            if any(other.startswith(f"{path}/") for other in self.files):
                raise InvalidArgumentError(
                    f"Recipe {self.name!r}: {path!r} can't be both a file and the folder of "
                    "another file."
                )


def _can_be_stored(text: str) -> bool:
    """Return whether a file name or an environment variable can hold a str."""
    return is_valid_unicode(text) and "\0" not in text


def check_image_name(name: str) -> None:
    """Check that a str can be the name of an image.

    Args:
        name: The name, such as ``python:3.13`` or ``registry:5000/team/image``.

    Raises:
        InvalidArgumentError: If ``name`` is not valid, or longer than 500 characters.
    """
    if len(name) > MAX_IMAGE_NAME_CHARS or not IMAGE_NAME.fullmatch(name):
        raise InvalidArgumentError(
            f"{name!r} is not a valid image name. Write REPOSITORY or REPOSITORY:TAG, with the "
            "repository in lower-case letters."
        )


def split_name(name: str) -> tuple[str, str]:
    """Split an image name into repository and tag.

    Args:
        name: The name. A colon before the port of a registry does not start a tag.

    Returns:
        Repository and tag; the tag is empty if the name has none. A digest belongs to neither.
    """
    head, slash, last = name.partition("@")[0].rpartition("/")
    repository, _, tag = last.partition(":")
    return head + slash + repository, tag


@dataclass(frozen=True, kw_only=True)
class BuildContext:
    """What an engine builds an image from. Equal recipes give equal contexts, byte for byte.

    Attributes:
        recipe: Name of the recipe.
        files: All files, among them the Dockerfile: path in the context (relative, with
            slashes) mapped to content.
        tags: All names that the image gets.
        labels: All labels that the image gets.
        content_hash: SHA-256 of files and labels, as hexadecimal digits.
    """

    recipe: str
    files: Mapping[str, bytes] = field(repr=False)
    tags: tuple[str, ...]
    labels: Mapping[str, str]
    content_hash: str


@dataclass(frozen=True, kw_only=True)
class BuildEvent:
    """Progress of a build or a pull.

    Attributes:
        kind: What happened:

            - ``"step"``: a step of the build begins.
            - ``"output"``: a step printed a line.
            - ``"progress"``: part of a layer was transferred.
            - ``"done"``: the image exists.
        text: The instruction of the step, the printed line, or the id of the image.
        step: Number of the step, from 1.
        steps: Total number of steps.
        item: The layer.
        current: Bytes of the layer transferred so far.
        total: Size of the layer in bytes; 0 if unknown.
    """

    kind: Literal["step", "output", "progress", "done"]
    text: str = ""
    step: int = 0
    steps: int = 0
    item: str = ""
    current: int = 0
    total: int = 0


@dataclass(frozen=True, kw_only=True)
class ImageInfo:
    """An image that the engine holds.

    Attributes:
        id: Id of the image on its engine.
        tags: All names of the image.
        labels: Its labels.
        size_bytes: Size of all its layers, in bytes.
        created: When it was created, in seconds since the epoch.
    """

    id: str
    tags: tuple[str, ...]
    labels: Mapping[str, str]
    size_bytes: int
    created: float
