"""The hooks. A hook only registers, or observes: it is synchronous and cheap."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

import pluggy

if TYPE_CHECKING:
    from ipybox.backend import BackendDescriptor
    from ipybox.events import Event
    from ipybox.outputs.handler import OutputHandler
    from ipybox.spec.container import ContainerSpec
    from ipybox.spec.image import ImageRecipe

GROUP = "ipybox"

hookspec = pluggy.HookspecMarker(GROUP)
hookimpl = pluggy.HookimplMarker(GROUP)


class Hooks:
    """All hooks that a plugin may implement, each of them optional."""

    @hookspec
    def ipybox_register_backends(self) -> Iterable[BackendDescriptor]:  # type: ignore[empty-body]
        """The backends of this plugin. A name that is taken already is refused."""

    @hookspec
    def ipybox_register_images(self) -> Iterable[ImageRecipe]:  # type: ignore[empty-body]
        """The image recipes of this plugin. A name or tag that is taken is refused."""

    @hookspec
    def ipybox_register_output_handlers(self) -> Iterable[OutputHandler]:  # type: ignore[empty-body]
        """The output handlers of this plugin. A name or MIME type that is taken is refused."""

    @hookspec
    def ipybox_prepare_spec(self, spec: ContainerSpec) -> ContainerSpec | None:
        """Changes (a new spec) or refuses (raise) what is about to be started.

        Plugins are asked one after the other, each with what the one before it
        returned; None changes nothing. An exception refuses the start.
        """

    @hookspec
    def ipybox_kernel_startup(self) -> str | None:
        """Python code that runs in each new kernel, before anybody's. It has a namespace of
        its own, so that none of its names are left; where it fails, connecting fails."""

    @hookspec
    def ipybox_event(self, event: Event) -> None:
        """Observes. What it raises is logged, and changes nothing."""
