"""What an engine's word for a container's state means."""

from __future__ import annotations

import pytest

from ipybox.authoring import Inspection, Ref


@pytest.mark.parametrize(
    ("status", "running", "ended"),
    [
        ("created", False, False),
        ("initialized", False, False),
        ("running", True, False),
        ("paused", True, False),
        ("stopping", False, False),  # its exit code is 0 there, whatever it becomes
        ("removing", False, False),
        ("stopped", False, True),
        ("exited", False, True),
    ],
)
def test_only_an_end_that_is_over_has_an_exit_code(status: str, running: bool, ended: bool) -> None:
    assert Inspection(ref=Ref("id", "name"), status=status, running=running).ended == ended
