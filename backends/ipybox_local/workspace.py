"""A local container's private folder. Standard library only: it runs before ``site``."""

import contextlib
import glob
import os
import shutil
import sys
import time
from pathlib import Path

# Debian keeps pip's wheel here, for environments of its own.
SYSTEM_WHEELS = "/usr/share/python-wheels"
REMOVE_SECONDS = 10.0
AGAIN_SECONDS = 0.05
FOLDERS = ("app", "home", "tmp", "jupyter")

PIP_SCRIPT = """#!{python}
import sys
from pip._internal.cli.main import main
sys.exit(main())
"""


def take(root: Path) -> bool:
    """Makes the folder. False where there is one of that name: it is another's."""
    try:
        root.mkdir(mode=0o700)
    except FileExistsError:
        return False
    return True


def create(root: Path, *, binds: list[tuple[str, str]]) -> None:
    """Fills the folder, with its working directory ``app``; binds become links in it.

    ``binds`` are pairs: an absolute host path, and a relative path below ``app``.
    """
    for name in FOLDERS:
        (root / name).mkdir(mode=0o700)
    for host_path, target in binds:
        link = root / "app" / target
        link.parent.mkdir(parents=True, exist_ok=True)
        link.symlink_to(host_path)


def create_environment(root: Path, *, import_paths: list[str]) -> None:
    """Makes a virtual environment that sees the host's packages and installs into itself."""
    import venv

    venv.EnvBuilder(symlinks=True, with_pip=False).create(str(root / "venv"))
    packages = Path(glob.glob(str(root / "venv/lib/python*"))[0]) / "site-packages"
    lines = [f"import site; site.addsitedir({path!r})" for path in import_paths]
    (packages / "host.pth").write_text("\n".join([*lines, *_pip_wheels(import_paths)]) + "\n")
    for name in ("pip", "pip3"):
        script = root / "venv/bin" / name
        script.write_text(PIP_SCRIPT.format(python=root / "venv/bin/python"))
        script.chmod(0o755)


def _pip_wheels(import_paths: list[str]) -> list[str]:
    """pip's own wheel as the standard library carries it, for hosts without pip."""
    if any(os.path.isdir(os.path.join(path, "pip")) for path in import_paths):
        return []
    bundled = os.path.join(os.path.dirname(os.__file__), "ensurepip", "_bundled")
    found = glob.glob(f"{bundled}/pip-*.whl") + glob.glob(f"{SYSTEM_WHEELS}/pip-*.whl")
    return found[:1]


def log_tail(root: Path, lines: int = 20) -> list[str]:
    """The last lines of the gateway's log."""
    return (root / "log").read_text(errors="replace").splitlines()[-lines:]


def remove(root: Path) -> None:
    """Removes the folder; what binds link to stays as it is. Processes that are just ending
    may still write there: it is tried for a while. Raises OSError."""
    deadline = time.monotonic() + REMOVE_SECONDS
    while True:
        with contextlib.suppress(OSError):
            _remove_once(root)
        if not root.exists():
            return
        if time.monotonic() > deadline:
            raise OSError(f"{root} could not be removed within {REMOVE_SECONDS:.0f} s")
        time.sleep(AGAIN_SECONDS)


def _remove_once(root: Path) -> None:
    def make_removable(function: object, path: str, _: object) -> None:
        if Path(path) == root:
            raise  # what is above it is not ours
        # Code may have taken away its own permissions.
        parent = os.path.dirname(path)
        os.chmod(parent, 0o700)
        if not os.path.islink(path):
            os.chmod(path, 0o700)
        if os.path.isdir(path) and not os.path.islink(path):
            shutil.rmtree(path, ignore_errors=True)
        elif os.path.lexists(path):
            os.unlink(path)

    if sys.version_info >= (3, 12):
        shutil.rmtree(root, onexc=make_removable)
    else:
        shutil.rmtree(root, onerror=make_removable)
