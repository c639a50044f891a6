"""What engines say when they refuse, as errors of ours. They all say nearly the same."""

from __future__ import annotations

import re
from collections.abc import Sequence

from ipybox.errors import (
    BackendError,
    BackendUnavailableError,
    ContainerNotFoundError,
    ImageBuildError,
    ImageNotFoundError,
    NameTakenError,
    PortTakenError,
)

PORT_TAKEN = re.compile(r"port is already allocated|address already in use", re.I)
NAME_TAKEN = re.compile(r"name .* is (already )?in use", re.I)
NO_SPACE = re.compile(r"no space left on device", re.I)
NO_CONTAINER = re.compile(r"no such container|marked for removal", re.I)
NO_IMAGE = re.compile(r"no such image|image not known", re.I)


MAX_STEP = 100


def not_pulled(tag: str, error: BackendError) -> ImageNotFoundError:
    return ImageNotFoundError(
        f"The image {tag!r} is not there, no recipe claims it, and it can't be pulled: "
        f"{error}. `ipybox build -t {tag}` makes one of that name."
    )


def not_built(tag: str, failure: str, step: str, tail: Sequence[str]) -> ImageBuildError:
    """``failure``: the engine's word, unless a step of ours has told more in ``tail``, the
    last lines of what ``step`` has printed."""
    told = next((line for line in reversed(tail) if line.startswith("ipybox:")), failure)
    return ImageBuildError(
        f"The image {tag} was not built. {told} The step was: {step[:MAX_STEP] or 'the first'}",
        tail,
    )


def refusal(title: str, what: str, status: int, message: str, *, program: str) -> BackendError:
    """The error for an answer of an engine's.

    ``title``: the engine as people call it. ``what``: what it was to do, as in "start the
    container x". ``program``: its command line.
    """
    text = f"The {title} engine could not {what}: {message.strip()}"
    if PORT_TAKEN.search(message):
        return PortTakenError(
            f"{text} Choose another port, or leave it out: the engine then finds a free one."
        )
    if NAME_TAKEN.search(message):
        return NameTakenError(
            f"{text} Choose another name, or remove that container (`ipybox ps`, `ipybox rm`)."
        )
    if NO_SPACE.search(message):
        return BackendError(
            f"{text} Make room: `{program} system df` tells what is used, `{program} system "
            "prune` removes what is not."
        )
    if NO_IMAGE.search(message):
        return ImageNotFoundError(text)
    if status == 404 or NO_CONTAINER.search(message):
        return ContainerNotFoundError(text)
    if status in (401, 403):
        return BackendUnavailableError(f"{text} May you use this engine?")
    return BackendError(text)
