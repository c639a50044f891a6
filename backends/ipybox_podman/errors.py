"""Podman's errors as ipybox's own. No error of podman-py or requests leaves this package."""

from __future__ import annotations

import traceback
from collections.abc import Iterator
from contextlib import contextmanager

import podman.errors
import requests
import urllib3
from podman.api.uds import UDSSocket

from ipybox import BackendError
from ipybox.engine import call_timed_out, map_engine_error
from ipybox.errors import EngineGoneError

FEW_IDS = (
    "insufficient UIDs or GIDs", "no subuid ranges", "no subgid ranges", "/etc/subuid",
    # For an image that was pulled before: the messages of runc and of crun.
    "unable to setup user: invalid argument", "cannot setresgid", "cannot setresuid",
)  # fmt: skip
FEW_IDS_REMEDY = (
    "This user has too few subordinate ids for the users of the image. `ipybox doctor` shows the "
    "command that adds ids which no other user has."
)
LIMITS_TOO_HIGH = ("setting rlimit", "setrlimit")
"""The messages of runc and of crun."""
LIMITS_TOO_HIGH_REMEDY = (
    "This machine's own limits are lower than those that the container is to have. "
    'Write [containers] and default_ulimits=["nofile=4096:4096", "nproc=4096:4096"] to '
    "containers.conf, with numbers that `ulimit -Hn` and `ulimit -Hu` allow."
)
REMEDIES = ((FEW_IDS, FEW_IDS_REMEDY), (LIMITS_TOO_HIGH, LIMITS_TOO_HIGH_REMEDY))


@contextmanager
def engine_call(what: str, timeout: float) -> Iterator[None]:
    """Turn the errors of a call to the engine into ipybox's own.

    Args:
        what: What the engine is asked to do, as in "start the container ipybox-1".
        timeout: The seconds that the call was given, for messages; ``math.inf`` for no limit.

    Raises:
        EngineTimeoutError: If the engine does not answer in time.
        EngineGoneError: If the engine cannot be reached, or breaks off its answer.
        BackendError: If the engine refuses; see :func:`ipybox.engine.map_engine_error`.
    """
    try:
        yield
    except (requests.Timeout, TimeoutError) as error:
        raise call_timed_out("Podman", what, timeout) from error
    except podman.errors.APIError as error:
        # podman-py wraps every error of the connection in its own, timeouts included.
        if isinstance(error.__cause__, requests.Timeout | TimeoutError):
            raise call_timed_out("Podman", what, timeout) from error
        if error.response is None:
            _close_unconnected(error)
            raise EngineGoneError(
                f"The Podman engine can't be reached to {what}: {_innermost(error)}. Check that "
                "it is running."
            ) from error
        raise map_podman_error(what, error.response.status_code, str(error.explanation)) from error
    except (
        requests.RequestException,
        urllib3.exceptions.HTTPError,
        podman.errors.PodmanError,
        OSError,
        EOFError,
    ) as error:
        raise EngineGoneError(
            f"The Podman engine broke off the call to {what}: {_innermost(error)}. Check that it "
            "is running."
        ) from error


def map_podman_error(what: str, status: int, message: str) -> BackendError:
    """Return the error for a failure that the engine reports.

    Args:
        what: What the engine was asked to do, as in "start the container ipybox-1".
        status: HTTP status of the answer.
        message: The engine's message.
    """
    remedy = next(
        (remedy for texts, remedy in REMEDIES if any(text in message for text in texts)), ""
    )
    return map_engine_error("Podman", what, status, message, program="podman", remedy=remedy)


def _close_unconnected(error: BaseException) -> None:
    """Close the socket that podman-py leaves open if it could not connect it."""
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
