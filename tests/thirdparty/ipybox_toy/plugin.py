"""Registers everything that this distribution provides. Imports nothing heavy."""

from ipybox.authoring import BackendDescriptor, ContainerSpec, Event, ImageRecipe, hookimpl
from ipybox_toy.outputs import CsvHandler
from ipybox_toy.recipes import RECIPE

events: list[Event] = []


def _load() -> type:
    from ipybox_toy.backend import ToyBackend

    return ToyBackend


@hookimpl
def ipybox_register_backends() -> list[BackendDescriptor]:
    return [
        BackendDescriptor(
            name="toy", summary="a bare gateway process", isolation="none", load=_load
        )
    ]


@hookimpl
def ipybox_register_images() -> list[ImageRecipe]:
    return [RECIPE]


@hookimpl
def ipybox_register_output_handlers() -> list[CsvHandler]:
    return [CsvHandler()]


@hookimpl
def ipybox_prepare_spec(spec: ContainerSpec) -> ContainerSpec | None:
    if spec.tag == "forbidden":
        raise PermissionError("this image is not allowed here")
    return None


@hookimpl
def ipybox_kernel_startup() -> str:
    return "import os, builtins\nbuiltins.toy = lambda: 'toy of ' + os.environ['A']"


@hookimpl
def ipybox_event(event: Event) -> None:
    events.append(event)
