"""IPYBOX_REQUIRE_BACKENDS turns skips for a missing engine into failures."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]

pytestmark = pytest.mark.slow


@pytest.mark.parametrize(
    ("required", "code", "outcome"), [("", 0, "skipped"), ("podman", 1, "error")]
)
def test_missing_engine_fails_only_if_required(required: str, code: int, outcome: str) -> None:
    # Disabling the plugin makes the engine missing on every machine.
    environment = {
        **os.environ,
        "IPYBOX_REQUIRE_BACKENDS": required,
        "IPYBOX_TESTED_ELSEWHERE": "",
        "IPYBOX_DISABLE_PLUGINS": "podman",
    }
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "tests/contract/test_usage_page.py", "-k", "podman"],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        timeout=100,
    )
    assert done.returncode == code, done.stdout
    assert outcome in done.stdout and "podman" in done.stdout
