"""Timeouts, and the arguments that they replace."""

import warnings
from typing import Any

import pytest

from ipybox import ExecutionClient, InvalidArgumentError, Timeouts

FIELDS = ("interrupt", "probe", "restart", "reconnect")


@pytest.mark.parametrize("field", FIELDS)
def test_only_positive_numbers_are_accepted(field: str) -> None:
    bad: tuple[Any, ...] = (0, -1, True, "1", float("nan"), None)
    for seconds in bad:
        with pytest.raises(InvalidArgumentError, match=rf"timeouts\.{field}"):
            Timeouts(**{field: seconds})


def test_the_argument_must_be_a_timeouts() -> None:
    bad: tuple[Any, ...] = (7, {"interrupt": 1}, "1")
    for timeouts in bad:
        with pytest.raises(InvalidArgumentError, match="timeouts must be a Timeouts"):
            ExecutionClient(1, timeouts=timeouts)


@pytest.mark.parametrize("field", FIELDS)
def test_a_deprecated_argument_works_with_a_warning(field: str) -> None:
    grace: dict[str, Any] = {f"{field}_grace": 7.5}
    with pytest.warns(DeprecationWarning, match=rf"timeouts=Timeouts\({field}=\.\.\.\)") as seen:
        client = ExecutionClient(1, **grace)
    assert seen[0].filename == __file__
    assert client._timeouts == Timeouts(**{field: 7.5})


def test_a_deprecated_argument_is_checked() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        with pytest.raises(InvalidArgumentError, match=r"timeouts\.probe"):
            ExecutionClient(1, probe_grace=0)


def test_old_and_new_arguments_cannot_be_combined() -> None:
    with pytest.raises(InvalidArgumentError, match="timeouts and probe_grace"):
        ExecutionClient(1, timeouts=Timeouts(), probe_grace=1)
