"""What a container image is made of, as plugins describe it, and what comes of it."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from ipybox.errors import InvalidArgumentError
from ipybox.validation import is_valid_unicode

DEFAULT_BASE = "docker.io/library/python:3.13-slim"
DEFAULT_USER_ID = 1000

RECIPE_LABEL = "ipybox.recipe"
HASH_LABEL = "ipybox.hash"
RUNTIME_LABEL = "ipybox.runtime"
PROTOCOL_LABEL = "ipybox.protocol"

NAME = re.compile(r"[a-z0-9][a-z0-9_.-]{0,127}")
MAX_NAME = 500
VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
TAG = re.compile(
    r"(?:[A-Za-z0-9.-]+(?::[0-9]+)?/)?"  # a registry
    r"[a-z0-9]+(?:[._/-]+[a-z0-9]+)*"
    r"(?::[A-Za-z0-9_][A-Za-z0-9_.-]{0,127})?"
    r"(?:@sha256:[0-9a-f]{64})?"
)


@dataclass(frozen=True, kw_only=True)
class ImageRecipe:
    """An image by its parts: what is put on top of ``base``, besides the runtime.

    - ``tags``: the image names that it claims.
    - ``base``: any image with Python 3.11 or newer.
    - ``system_packages``: Debian's; ``python_packages``: requirement specifiers.
    - ``files``: absolute path in the image to content.
    - ``env``: environment of every container.
    - ``user_id``: who runs the gateway and the code; 0 is root.
    - ``preload``: modules that a kernel has imported before it starts.
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
        if not NAME.fullmatch(self.name):
            raise InvalidArgumentError(
                f"recipe name {self.name!r}: lower-case letters, digits, '.', '_' and '-' only."
            )
        for tag in (*self.tags, self.base):
            check_image_name(tag)
        for kind in ("system_packages", "python_packages", "preload"):
            for item in getattr(self, kind):
                # splitlines: as installers of packages split, at more than line feeds.
                if not item.strip() or len(item.splitlines()) > 1 or not _can_be_held(item):
                    raise InvalidArgumentError(
                        f"recipe {self.name!r}: {item!r} in {kind} is no name of one line."
                    )
        for item in self.python_packages:
            if item.lstrip().startswith(("-", "#")):
                raise InvalidArgumentError(
                    f"recipe {self.name!r}: {item!r} in python_packages is no requirement."
                )
        for path in self.files:
            root, *parts = path.split("/")
            if root or not _can_be_held(path) or any(part in {"", ".", ".."} for part in parts):
                raise InvalidArgumentError(
                    f"recipe {self.name!r}: the file {path!r} must have an absolute path, "
                    "without empty parts, '.' and '..'."
                )
            if any(other.startswith(f"{path}/") for other in self.files):
                raise InvalidArgumentError(
                    f"recipe {self.name!r}: {path!r} can't be a file and a folder of files."
                )
        for name, value in self.env.items():
            if not VARIABLE.fullmatch(name) or not _can_be_held(value):
                raise InvalidArgumentError(
                    f"recipe {self.name!r}: the environment variable {name!r} can't be set: "
                    "its name is none, or its value has what no program can be given."
                )
        if not 0 <= self.user_id <= 65534:
            raise InvalidArgumentError(
                f"recipe {self.name!r}: user_id is {self.user_id}; it must be from 0 to 65534."
            )


def _can_be_held(text: str) -> bool:
    """Whether a file or a program's environment can hold it."""
    return is_valid_unicode(text) and "\0" not in text


def check_image_name(name: str) -> None:
    """Raises InvalidArgumentError unless it can name an image."""
    if len(name) > MAX_NAME or not TAG.fullmatch(name):
        raise InvalidArgumentError(
            f"{name!r} names no image; write REPOSITORY or REPOSITORY:TAG, the repository in "
            "lower-case letters."
        )


def split_name(name: str) -> tuple[str, str]:
    """Repository and tag of an image name, the tag "" where it has none. The colon of a
    registry's port is none of it, and a digest is part of neither."""
    head, slash, last = name.partition("@")[0].rpartition("/")
    repository, _, tag = last.partition(":")
    return head + slash + repository, tag


@dataclass(frozen=True, kw_only=True)
class BuildContext:
    """What an engine builds an image from.

    ``files``: path in the context (relative, with slashes) to content, the Dockerfile
    among them; the same recipe gives the same bytes. ``tags``: all names that the image
    gets. ``content_hash``: hexadecimal SHA-256 of all of it.
    """

    recipe: str
    files: Mapping[str, bytes] = field(repr=False)
    tags: tuple[str, ...]
    labels: Mapping[str, str]
    content_hash: str


@dataclass(frozen=True, kw_only=True)
class BuildEvent:
    """One thing that a build or a pull tells.

    - "step": a step begins; ``step`` of ``steps``, ``text`` is its instruction.
    - "output": a line that a step has printed.
    - "progress": of the layer ``item``; ``current`` of ``total`` bytes, 0 where unknown.
    - "done": the image is there; ``text`` is its id.
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
    """An image that is there. ``size_bytes``: of all its layers."""

    id: str
    tags: tuple[str, ...]
    labels: Mapping[str, str]
    size_bytes: int
    created: float  # seconds since the epoch
