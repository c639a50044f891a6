"""Process 1, with processes that stand in for a gateway."""

from __future__ import annotations

import subprocess
import sys

import pytest

SUPERVISED = """
import os, sys, time
from ipybox_runtime.init import supervise

lease, renewal = os.pipe()
gateway = os.fork()
if not gateway:
    os.close(lease)
    {gateway}
    os._exit(7)
os.close(renewal)
sys.exit(supervise(gateway, lease, 0.5))
"""


@pytest.mark.parametrize(
    ("gateway", "code", "logged"),
    [
        ("time.sleep(2)", 7, ""),  # slow to start: nothing could have renewed the lease
        (
            "os.write(renewal, b'.'); os.closerange(1, 3); time.sleep(10)",
            75,
            "ipybox: stopping, the lease was not renewed for 0.5 s",
        ),
    ],
    ids=["before the gateway answers", "after the gateway has answered"],
)
@pytest.mark.slow
def test_the_lease_starts_when_it_can_be_renewed(gateway: str, code: int, logged: str) -> None:
    done = subprocess.run(
        [sys.executable, "-c", SUPERVISED.format(gateway=gateway)],
        capture_output=True, text=True, timeout=60,
    )  # fmt: skip
    assert (done.returncode, logged in done.stderr) == (code, True), done.stderr
