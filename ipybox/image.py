"""What a container image is made of, as plugins describe it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

DEFAULT_BASE = "docker.io/library/python:3.13-slim"


@dataclass(frozen=True, kw_only=True)
class ImageRecipe:
    """An image by its parts: what is put on top of ``base``, besides the runtime.

    ``tags`` are the image names that it claims; ``system_packages`` are Debian's,
    ``python_packages`` requirement specifiers; ``preload`` names the modules that
    a kernel has imported before it starts.
    """

    name: str
    tags: tuple[str, ...] = ()
    base: str = DEFAULT_BASE
    system_packages: tuple[str, ...] = ()
    python_packages: tuple[str, ...] = ()
    env: Mapping[str, str] = field(default_factory=dict)
    preload: tuple[str, ...] = ()
