"""The removal of a local container's private folder."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from ipybox_local import workspace


@pytest.mark.parametrize("failures", [1, 10_000])
def test_removal_is_repeated_for_a_limited_time(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, failures: int
) -> None:
    """The parent folder keeps its permissions, whether or not the removal succeeds."""
    tmp_path.chmod(0o755)
    (tmp_path / "root").mkdir()
    rmdir = os.rmdir
    left = [None] * failures

    def full(path: str, **options: int) -> None:
        if left:
            left.pop()
            raise OSError(39, "Directory not empty")
        rmdir(path, **options)

    monkeypatch.setattr(os, "rmdir", full)
    monkeypatch.setattr(workspace, "REMOVE_TIMEOUT", 0.2)
    if failures == 1:
        workspace.remove(tmp_path / "root")
    else:
        with pytest.raises(OSError, match="could not be removed"):
            workspace.remove(tmp_path / "root")
    assert (tmp_path / "root").exists() == (failures > 1)
    assert tmp_path.stat().st_mode & 0o777 == 0o755
