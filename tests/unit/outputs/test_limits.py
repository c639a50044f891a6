"""Validation of OutputLimits."""

import pytest

from ipybox import InvalidArgumentError, OutputLimits


@pytest.mark.parametrize("name", ["text", "message", "outputs"])
@pytest.mark.parametrize("value", [0, -1, 1.5, True, None, "1"])
def test_invalid_limits_are_refused_by_name(name: str, value: object) -> None:
    with pytest.raises(InvalidArgumentError, match=rf"limits\.{name}"):
        OutputLimits(**{name: value})  # type: ignore[arg-type]
