"""Process 1, over processes that stand for a gateway."""

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
    ("gateway", "code", "said"),
    [
        ("time.sleep(2)", 7, ""),  # slow to come up: nobody could have renewed it
        (
            "os.write(renewal, b'.'); os.closerange(1, 3); time.sleep(10)",
            75,
            "nobody has renewed the lease for 0.5 s",
        ),
    ],
)
def test_a_lease_begins_when_it_can_be_renewed(gateway: str, code: int, said: str) -> None:
    done = subprocess.run(
        [sys.executable, "-c", SUPERVISED.format(gateway=gateway)],
        capture_output=True, text=True, timeout=60,
    )  # fmt: skip
    assert (done.returncode, said in done.stderr) == (code, True), done.stderr
