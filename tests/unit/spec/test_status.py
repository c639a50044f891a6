"""What backends report."""

import pytest

from ipybox import Truncation
from ipybox.authoring import ExecResult


def test_a_truncation_is_false_if_nothing_was_cut() -> None:
    assert not Truncation()
    for name in ("text", "outputs", "messages"):
        assert Truncation(**{name: 1})


def test_the_result_of_a_command_is_not_truncated_by_default() -> None:
    assert ExecResult(exit_code=0, stdout=b"", stderr=b"").truncated == Truncation()


def test_an_int_of_an_older_backend_becomes_a_truncation() -> None:
    with pytest.deprecated_call(match=r"must be a Truncation, got int: 7\."):
        result = ExecResult(exit_code=0, stdout=b"", stderr=b"", truncated=7)  # type: ignore[arg-type]
    assert result.truncated == Truncation(text=7)
