"""The supervisor process of a local container, and the processes below it."""

from __future__ import annotations

import os
import subprocess
import sys
import time

import pytest
from ipybox_local.container import SUPERVISOR
from ipybox_local.processes import descendants


def test_the_supervisor_imports_only_the_standard_library() -> None:
    code = (
        "import sys, runpy; sys.argv=['x']; sys.stdin.close();"
        f"sys.path.insert(0, {str(SUPERVISOR.parent)!r}); import supervisor;"
        "print([m for m in sys.modules if m.startswith(('ipybox', 'tornado', 'jupyter'))])"
    )
    done = subprocess.run([sys.executable, "-I", "-S", "-c", code], capture_output=True, text=True)
    assert done.stdout.strip() == "[]", done.stderr


def test_the_supervisor_exits_if_its_configuration_is_incomplete() -> None:
    done = subprocess.run(
        [sys.executable, "-I", "-S", str(SUPERVISOR)], input=b'{"half": ', timeout=10
    )
    assert done.returncode == 0


@pytest.mark.parametrize("depth", [1, 3])
def test_descendants_are_found_at_any_depth(depth: int) -> None:
    script = "sleep 60" if depth == 1 else "sh -c 'sh -c \"sleep 60; true\"; true'; true"
    process = subprocess.Popen(["sh", "-c", f"{script}; true"], start_new_session=True)
    try:
        deadline = time.monotonic() + 10
        while len(descendants(process.pid)) < depth and time.monotonic() < deadline:
            time.sleep(0.01)
        assert len(descendants(process.pid)) == depth
    finally:
        os.killpg(process.pid, 9)
        process.wait()
    assert descendants(process.pid) == []
