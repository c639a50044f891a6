"""Limits that are none: pure."""

import pytest

from ipybox import InvalidArgumentError, OutputLimits


@pytest.mark.parametrize("name", ["text", "message", "outputs"])
@pytest.mark.parametrize("value", [0, -1, 1.5, True, None, "1"])
def test_bad_limits(name: str, value: object) -> None:
    with pytest.raises(InvalidArgumentError, match=rf"limits\.{name}"):
        OutputLimits(**{name: value})  # type: ignore[arg-type]
