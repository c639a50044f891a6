"""What authors of a backend need if it talks to a container engine over an API.

:class:`EngineBackend` is the whole backend, built on the calls of an :class:`Engine` and its
:class:`EngineImages`; an author writes those two. The contract that every backend fulfils is in
:mod:`ipybox.authoring`.
"""

from ipybox.engine.backend import EngineBackend
from ipybox.engine.base import (
    CALL_TIMEOUT,
    CONNECT_TIMEOUT,
    REMOVE_TIMEOUT,
    Engine,
    StreamName,
    Streams,
)
from ipybox.engine.cache import EngineCache, engine_cache
from ipybox.engine.container import EngineContainer
from ipybox.engine.errors import build_failed, call_timed_out, map_engine_error, pull_failed
from ipybox.engine.images import BUILD_TIMEOUT, BuildLog, BuildSyntax, EngineImages
from ipybox.engine.inspection import (
    Inspection,
    Mount,
    Ref,
    exit_status,
    parse_inspection,
    parse_timestamp,
)
from ipybox.engine.placement import Placement, at_host, container_user
from ipybox.engine.removal import remove_until_gone
from ipybox.engine.stats import memory_limit, stats_from_proc
from ipybox.engine.transport import write_without_losing_reads

__all__ = [  # noqa: RUF022  # in groups, for the reader
    # What an author writes, and what is built on it
    "Engine",
    "EngineBackend",
    "EngineContainer",
    "EngineImages",
    "Streams",
    "StreamName",
    # Time limits
    "BUILD_TIMEOUT",
    "CALL_TIMEOUT",
    "CONNECT_TIMEOUT",
    "REMOVE_TIMEOUT",
    # Where the engine is
    "EngineCache",
    "Placement",
    "at_host",
    "container_user",
    "engine_cache",
    # What it reports of containers
    "Inspection",
    "Mount",
    "Ref",
    "exit_status",
    "memory_limit",
    "parse_inspection",
    "parse_timestamp",
    "stats_from_proc",
    # Images
    "BuildLog",
    "BuildSyntax",
    "build_failed",
    "pull_failed",
    # Calls
    "call_timed_out",
    "map_engine_error",
    "remove_until_gone",
    "write_without_losing_reads",
]
