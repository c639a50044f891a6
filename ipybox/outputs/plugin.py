"""Registers the built-in handlers, by the same door as anybody's."""

from __future__ import annotations

from ipybox.hookspecs import hookimpl
from ipybox.outputs.data import JsonHandler
from ipybox.outputs.handler import OutputHandler
from ipybox.outputs.images import ImageHandler
from ipybox.outputs.text import TextHandler


@hookimpl
def ipybox_register_output_handlers() -> list[OutputHandler]:
    return [TextHandler(), ImageHandler(), JsonHandler()]
