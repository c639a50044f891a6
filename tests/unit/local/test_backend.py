"""What the local backend reports without starting anything."""

from __future__ import annotations

import asyncio
import importlib.util
from pathlib import Path

import pytest
from ipybox_local.backend import LocalBackend
from ipybox_local.container import LocalContainer

from ipybox.authoring import CONCERNS, ContainerSpec


def test_availability_names_missing_packages(monkeypatch: pytest.MonkeyPatch) -> None:
    real = importlib.util.find_spec
    monkeypatch.setattr(
        "importlib.util.find_spec", lambda name: None if name == "ipykernel" else real(name)
    )
    state = asyncio.run(LocalBackend().availability())
    assert (state.ready, state.reason) == (False, "not installed: ipykernel.")
    assert "ipybox[local]" in (state.remedy or "")


def test_no_concern_is_enforced(tmp_path: Path) -> None:
    found = LocalContainer(ContainerSpec(), tmp_path).guarantees
    assert found.details == dict.fromkeys(CONCERNS, "none")
    assert found.isolation == "none"
