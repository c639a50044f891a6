"""Podman's errors as ours. Nothing of podman-py or requests leaves this package."""

from __future__ import annotations

import traceback
from collections.abc import Iterator
from contextlib import contextmanager

import podman.errors
import requests
import urllib3
from podman.api.uds import UDSSocket

from ipybox import BackendError
from ipybox.authoring import refusal
from ipybox.errors import EngineGoneError, EngineTimeoutError

FEW_IDS = (
    "insufficient UIDs or GIDs", "no subuid ranges", "no subgid ranges", "/etc/subuid",
    # Where the image was there before: runc, and crun.
    "unable to setup user: invalid argument", "cannot setresgid", "cannot setresuid",
)  # fmt: skip
LIMITS_TOO_HIGH = ("setting rlimit", "setrlimit")
"""As runc says it, and crun."""
LIMITS_REMEDY = (
    "This machine's own limits are lower than those that the container is to have. "
    'Write [containers] and default_ulimits=["nofile=4096:4096", "nproc=4096:4096"] to '
    "containers.conf, with numbers that `ulimit -Hn` and `ulimit -Hu` allow."
)
FEW_IDS_REMEDY = (
    "This user has too few subordinate ids for the users of the image. `ipybox doctor` tells the "
    "command that adds some which nobody else has."
)
REMEDIES = ((FEW_IDS, FEW_IDS_REMEDY), (LIMITS_TOO_HIGH, LIMITS_REMEDY))


@contextmanager
def engine_call(what: str, seconds: float | None) -> Iterator[None]:
    """Around each call of the engine: errors of ours.

    ``what`` is done to what, as in "start the container ipybox-1". ``seconds``: what the
    call was given, None for what lasts as long as it lasts.
    """
    try:
        yield
    except (requests.Timeout, TimeoutError) as error:
        raise timed_out(what, seconds) from error
    except podman.errors.APIError as error:
        # podman-py wraps all errors of the connection in its own, a time-out too.
        if isinstance(error.__cause__, requests.Timeout | TimeoutError):
            raise timed_out(what, seconds) from error
        if error.response is None:
            _close_unconnected(error)
            raise EngineGoneError(
                f"The Podman engine can't be reached to {what}: {_innermost(error)}"
            ) from error
        raise refused(what, error.response.status_code, str(error.explanation)) from error
    except (
        requests.RequestException,
        urllib3.exceptions.HTTPError,
        podman.errors.PodmanError,
        OSError,
        EOFError,
    ) as error:
        raise EngineGoneError(
            f"The Podman engine broke off the call to {what}: {_innermost(error)}"
        ) from error


def refused(what: str, status: int, message: str) -> BackendError:
    """An answer of the engine's that is none of success."""
    error = refusal("Podman", what, status, message, program="podman")
    for texts, remedy in REMEDIES:
        if any(text in message for text in texts):
            return type(error)(f"{error} {remedy}")
    return error


def timed_out(what: str, seconds: float | None) -> EngineTimeoutError:
    limit = "in time" if seconds is None else f"within {seconds:.0f} s"
    return EngineTimeoutError(
        f"The Podman engine did not {what} {limit}. Is it overloaded, or stopped?"
    )


def _close_unconnected(error: BaseException) -> None:
    """podman-py leaves a socket open that it could not connect."""
    cause: BaseException | None = error
    while cause is not None:
        for frame, _ in traceback.walk_tb(cause.__traceback__):
            if isinstance(found := frame.f_locals.get("self"), UDSSocket):
                found.close()
        cause = cause.__cause__ or cause.__context__


def _innermost(error: BaseException) -> str:
    while error.__cause__ is not None:
        error = error.__cause__
    return f"{type(error).__name__} {error}"
