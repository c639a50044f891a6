"""IPYBOX_REQUIRE_BACKENDS turns the skips of what is missing into failures."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize(("required", "code", "word"), [("", 0, "skipped"), ("podman", 1, "error")])
def test_missing_engine(required: str, code: int, word: str) -> None:
    # The plugin is disabled, so that the engine is missing on every machine.
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
    assert word in done.stdout and "podman" in done.stdout
