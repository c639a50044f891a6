"""Errors that engines report."""

from __future__ import annotations

import math

from ipybox import BackendError
from ipybox.engine import call_timed_out, map_engine_error
from ipybox.errors import PortTakenError, copy_error


def test_an_error_keeps_the_engines_status_and_message() -> None:
    error = map_engine_error("Docker", "start it", 500, "out of order", program="docker")
    assert (error.engine_status, error.engine_message) == (500, "out of order")
    assert str(error) == "The Docker engine could not start it: out of order."
    duplicate = copy_error(error)
    assert (duplicate.engine_status, duplicate.engine_message) == (500, "out of order")
    assert (BackendError("x").engine_status, BackendError("x").engine_message) == (None, None)


def test_an_error_says_what_to_do() -> None:
    error = map_engine_error(
        "Podman", "start it", 500, "address already in use", program="podman", remedy="Try again."
    )
    assert isinstance(error, PortTakenError)
    assert str(error) == (
        "The Podman engine could not start it: address already in use. Choose another port, or "
        "leave it out to get a free one. Try again."
    )
    full = map_engine_error("Podman", "do it", 500, "no space left on device", program="podman")
    assert "`podman system prune` removes what is unused" in str(full)


def test_a_timeout_names_its_limit() -> None:
    assert "did not start it within 30 s" in str(call_timed_out("Docker", "start it", 30.0))
    assert "did not start it in time" in str(call_timed_out("Docker", "start it", math.inf))
