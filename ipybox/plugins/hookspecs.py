"""The hooks that plugins may implement. Hooks are synchronous and return quickly."""

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
    """All hooks. A plugin may implement any of them."""

    @hookspec
    def ipybox_register_backends(self) -> Iterable[BackendDescriptor]:  # type: ignore[empty-body]
        """Return the backends of this plugin. Called once, when plugins are loaded.

        A backend whose name is taken is refused.
        """

    @hookspec
    def ipybox_register_images(self) -> Iterable[ImageRecipe]:  # type: ignore[empty-body]
        """Return the image recipes of this plugin. Called once, when plugins are loaded.

        A recipe whose name is taken, or one of whose image names is, is refused.
        """

    @hookspec
    def ipybox_register_output_handlers(self) -> Iterable[OutputHandler]:  # type: ignore[empty-body]
        """Return the output handlers of this plugin. Called once, when plugins are loaded.

        A handler whose name is taken, or one of whose MIME types is, is refused.
        """

    @hookspec
    def ipybox_prepare_spec(self, spec: ContainerSpec) -> ContainerSpec | None:
        """Change or refuse a container that is about to be started.

        Plugins are called in turn, each with the spec that the one before it returned. An
        exception refuses the start.

        Args:
            spec: The spec of the container.

        Returns:
            The changed spec, or None to leave it as it is.
        """

    @hookspec
    def ipybox_kernel_startup(self) -> str | None:
        """Return Python code to run in each new kernel, before any other code.

        The code has a namespace of its own, so its names do not appear in the user's. If it
        fails, connecting fails.

        Returns:
            The code, or None for nothing.
        """

    @hookspec
    def ipybox_event(self, event: Event) -> None:
        """Observe an event. An exception is logged and has no other effect.

        Args:
            event: What happened.
        """
