"""Names that have moved from ipybox.authoring to ipybox.engine still work, and warn."""

from __future__ import annotations

import pytest

import ipybox.authoring
import ipybox.engine

MOVED = {
    **{
        name: name
        for name in (
            "Engine", "EngineBackend", "Inspection", "Mount", "Ref", "Streams", "at_host",
            "exit_status",
        )
    },
    "Lane": "StreamName",
    "Surroundings": "Placement",
    "not_built": "build_failed",
    "not_pulled": "pull_failed",
    "read_inspection": "parse_inspection",
    "refusal": "map_engine_error",
    "run_user": "container_user",
    "seconds_of": "parse_timestamp",
    "send_now": "write_without_losing_reads",
    "until_gone": "remove_until_gone",
    "usage_inside": "stats_from_proc",
}  # fmt: skip


@pytest.mark.parametrize(("old", "new"), MOVED.items())
def test_old_name_warns_and_is_the_same_object(old: str, new: str) -> None:
    message = rf"ipybox\.authoring\.{old} has moved to ipybox\.engine\.{new}\."
    with pytest.warns(DeprecationWarning, match=message):
        found = getattr(ipybox.authoring, old)
    assert found is getattr(ipybox.engine, new)


def test_every_public_name_exists() -> None:
    assert all(hasattr(ipybox.engine, name) for name in ipybox.engine.__all__)
