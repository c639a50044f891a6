"""What is imported before a kernel needs it."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from ipybox.image.dockerfile import COMPILE_IMPORTED


@pytest.mark.slow
def test_an_image_build_preloads_and_compiles_everything(tmp_path: Path) -> None:
    """Its standard input is closed, which must not count as a cancelled start."""
    done = subprocess.run(
        [sys.executable, "-c", f"{COMPILE_IMPORTED}\nprint('IPython' in sys.modules)"],
        stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=60,
        env={"HOME": str(tmp_path), "TMPDIR": str(tmp_path)},
    )  # fmt: skip
    assert (done.stdout, done.returncode) == ("True\n", 0), done.stderr


@pytest.mark.slow
def test_a_cancelled_preload_creates_no_files(tmp_path: Path) -> None:
    code = "from ipybox_runtime.kernel.preload import preload; preload(lambda: True); print('on')"
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=60,
        env={"HOME": str(tmp_path), "TMPDIR": str(tmp_path)},
    )  # fmt: skip
    assert (done.stdout, done.returncode) == ("", 0), done.stderr
    assert list(tmp_path.iterdir()) == []
