"""Errors of container engines as ipybox's own: engines word nearly all of them alike."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence

from ipybox.errors import (
    BackendError,
    BackendUnavailableError,
    ContainerNotFoundError,
    EngineTimeoutError,
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
MAX_STEP_CHARS = 100
OWN_PREFIX = "ipybox:"
"""Begins the lines in which a step of ipybox's own says why it failed."""


def map_engine_error(
    title: str, what: str, status: int, message: str, *, program: str, remedy: str = ""
) -> BackendError:
    """Return the error for a failure that an engine reports.

    Args:
        title: The engine's name for people, as in "Docker".
        what: What the engine was asked to do, as in "start the container x".
        status: HTTP status of the answer.
        message: The engine's message.
        program: The engine's command line program.
        remedy: What to do, where the backend knows more than this function.

    Returns:
        A BackendError, or the subclass of it that fits the message or else the status; its
        ``engine_status`` and ``engine_message`` are ``status`` and ``message``.
    """
    kind, advice = _classify(status, message, program)
    text = f"The {title} engine could not {what}: {_sentence(message)}"
    error = kind(" ".join(filter(None, (text, advice, remedy))))
    error.engine_status, error.engine_message = status, message
    return error


def _classify(status: int, message: str, program: str) -> tuple[type[BackendError], str]:
    """Return the kind of an error, and what to do."""
    if PORT_TAKEN.search(message):
        return PortTakenError, "Choose another port, or leave it out to get a free one."
    if NAME_TAKEN.search(message):
        return (
            NameTakenError,
            "Choose another name, or remove that container (`ipybox ps`, `ipybox rm`).",
        )
    if NO_SPACE.search(message):
        return (
            BackendError,
            f"Make room: `{program} system df` shows what is used, `{program} system prune` "
            "removes what is unused.",
        )
    if NO_IMAGE.search(message):
        return ImageNotFoundError, ""
    if status == 404 or NO_CONTAINER.search(message):
        return ContainerNotFoundError, ""
    if status in (401, 403):
        return BackendUnavailableError, "Check that your user may access the engine."
    return BackendError, ""


def call_timed_out(title: str, what: str, timeout: float) -> EngineTimeoutError:
    """Return the error for an engine that does not answer in time.

    Args:
        title: The engine's name for people, as in "Docker".
        what: What the engine was asked to do, as in "start the container x".
        timeout: The time limit in seconds; ``math.inf`` if the limit was not that of the call.
    """
    limit = "in time" if timeout == math.inf else f"within {timeout:.0f} s"
    return EngineTimeoutError(
        f"The {title} engine did not {what} {limit}. Check that it is running and not overloaded."
    )


def pull_failed(tag: str, error: BackendError) -> ImageNotFoundError:
    """Return the error for an image that neither exists nor can be pulled.

    Args:
        tag: The name of the image.
        error: The error that the pull raised.
    """
    return ImageNotFoundError(
        f"The image {tag!r} does not exist here, no recipe claims its name, and it can't be "
        f"pulled: {error} To build an image of that name, run `ipybox build -t {tag}`."
    )


def build_failed(tag: str, failure: str, step: str, tail: Sequence[str]) -> ImageBuildError:
    """Return the error for a build that failed.

    Args:
        tag: The name of the image.
        failure: What the engine reported, as a sentence; left out if a step of ipybox's own has
            printed the reason.
        step: The instruction of the step that failed; empty if the build failed before the
            first step. At most 100 characters of it appear in the error.
        tail: The last lines that the step printed, oldest first.
    """
    own = next((line for line in reversed(tail) if line.startswith(OWN_PREFIX)), None)
    reason = failure if own is None else f"The image {tag} could not be built: {own}"
    return ImageBuildError(f"{reason} The step was: {step[:MAX_STEP_CHARS] or 'the first'}", tail)


def _sentence(text: str) -> str:
    text = text.strip()
    return text if text.endswith((".", "!", "?")) else f"{text}."
