"""What this process remembers about each engine, whichever client has asked."""

from __future__ import annotations

from dataclasses import dataclass, field

from ipybox.engine.placement import Placement


@dataclass(kw_only=True)
class EngineCache:
    """What this process remembers about one engine.

    Attributes:
        placement: Where the engine runs relative to this process; None until it is known.
        api_version: Version of the engine's API to use, as in "v1.41"; None until it is known.
        swept: Whether the containers of dead owners were removed, or are being removed.
        mapped_images: (image id, user mapping) of the images whose layers the engine has
            already copied for that mapping.
    """

    placement: Placement | None = None
    api_version: str | None = None
    swept: bool = False
    mapped_images: set[tuple[str, str]] = field(default_factory=set)


_caches: dict[tuple[str, str], EngineCache] = {}


def engine_cache(title: str, address: str) -> EngineCache:
    """Return the cache of an engine, shared by all clients in this process.

    Args:
        title: The kind of engine, as in "Docker".
        address: Where the engine is; see :attr:`ipybox.engine.Engine.address`.
    """
    return _caches.setdefault((title, address), EngineCache())
