"""ContainerOptions: the arguments of ExecutionContainer, as types."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TypedDict

from ipybox.spec.container import Bind
from ipybox.spec.image import BuildEvent
from ipybox.spec.resources import Port, Resources


class ContainerOptions(TypedDict, total=False):
    """The arguments of :class:`ipybox.ExecutionContainer` except ``backend``, for type checkers."""

    tag: str
    binds: Mapping[str, str] | Sequence[Bind] | None
    env: Mapping[str, str] | None
    port: int | None
    port_allocation_timeout: float
    show_pull_progress: bool | Callable[[BuildEvent], None]
    resources: Resources | None
    start_timeout: float
    ports: Sequence[Port]
    labels: Mapping[str, str] | None
    name: str | None
    user: str | None
    gpus: str | int | None
    runtime: str | None
    engine_init: bool
    read_only_root: bool
    lease: float | None
    strict: bool
