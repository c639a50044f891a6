"""Errors of container engines as ipybox's own: engines word nearly all of them alike."""

from __future__ import annotations

import math
import re

from ipybox.errors import (
    BackendError,
    BackendUnavailableError,
    ContainerNotFoundError,
    EngineTimeoutError,
    ImageNotFoundError,
    NameTakenError,
    PortTakenError,
)

PORT_TAKEN = re.compile(r"port is already allocated|address already in use", re.I)
NAME_TAKEN = re.compile(r"name .* is (already )?in use", re.I)
NO_SPACE = re.compile(r"no space left on device", re.I)
NO_CONTAINER = re.compile(r"no such container|marked for removal", re.I)
NO_IMAGE = re.compile(r"no such image|image not known", re.I)


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


def _sentence(text: str) -> str:
    text = text.strip()
    return text if text.endswith((".", "!", "?")) else f"{text}."
