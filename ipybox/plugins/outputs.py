"""The plugin that registers the built-in output handlers, as any other plugin would."""

from __future__ import annotations

from ipybox.outputs.builtin import ImageHandler, JsonHandler, TextHandler
from ipybox.outputs.handler import OutputHandler
from ipybox.plugins.hookspecs import hookimpl


@hookimpl
def ipybox_register_output_handlers() -> list[OutputHandler]:
    return [TextHandler(), ImageHandler(), JsonHandler()]
