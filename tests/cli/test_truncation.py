"""``ipybox run`` reports what the output limits dropped, each kind in its own unit."""

import os
import subprocess
import sys

import pytest

from ipybox import Truncation
from ipybox.cli.run import describe_truncation

MEBIBYTE = 1024 * 1024


@pytest.mark.parametrize(
    ("truncation", "dropped"),
    [
        (Truncation(text=1), "1 byte of text"),
        (Truncation(text=2048), "2048 bytes of text"),
        (Truncation(outputs=1), "1 output above the maximum number"),
        (Truncation(outputs=3), "3 outputs above the maximum number"),
        (Truncation(messages=1, message_bytes=500), "1 oversized message (500 bytes)"),
        (Truncation(messages=2, message_bytes=900), "2 oversized messages (900 bytes)"),
        (
            Truncation(text=5, outputs=2, messages=1, message_bytes=10),
            "5 bytes of text, 2 outputs above the maximum number, 1 oversized message (10 bytes)",
        ),
    ],
    ids=lambda value: "" if isinstance(value, Truncation) else value,
)
def test_each_kind_is_named_with_its_unit(truncation: Truncation, dropped: str) -> None:
    assert describe_truncation(truncation) == f"Output truncated: dropped {dropped}."


@pytest.mark.parametrize(
    ("code", "dropped"),
    [
        # 5 Mi + 7 characters of 2 bytes each, and the line feed: 15 bytes above 10 MiB.
        (f"print('é' * ({5 * MEBIBYTE} + 7))", "15 bytes of text"),
        ("for number in range(1002): display({'a/b': number}, raw=True)",
         "2 outputs above the maximum number"),
        (f"display({{'a/b': 'x' * {33 * MEBIBYTE}}}, raw=True)", "1 oversized message"),
    ],
    ids=["text", "outputs", "messages"],
)  # fmt: skip
def test_run_prints_what_was_dropped(code: str, dropped: str, local: str) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "ipybox.cli", "run", "-c", code],
        env=os.environ, capture_output=True, text=True, timeout=60,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert f"ipybox: Output truncated: dropped {dropped}" in done.stderr
