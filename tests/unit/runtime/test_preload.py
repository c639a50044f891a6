"""What is imported before it is needed."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from ipybox.image.dockerfile import COMPILE_IMPORTED


def test_a_build_imports_and_compiles_to_its_end(tmp_path: Path) -> None:
    """Nobody speaks to it there."""
    done = subprocess.run(
        [sys.executable, "-c", f"{COMPILE_IMPORTED}\nprint('IPython' in sys.modules)"],
        stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=60,
        env={"HOME": str(tmp_path), "TMPDIR": str(tmp_path)},
    )  # fmt: skip
    assert (done.stdout, done.returncode) == ("True\n", 0), done.stderr


def test_what_nobody_wants_any_more_makes_nothing(tmp_path: Path) -> None:
    code = "from ipybox_runtime.kernel.preload import preload; preload(lambda: True); print('on')"
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=60,
        env={"HOME": str(tmp_path), "TMPDIR": str(tmp_path)},
    )  # fmt: skip
    assert (done.stdout, done.returncode) == ("", 0), done.stderr
    assert list(tmp_path.iterdir()) == []
