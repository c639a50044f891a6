"""A local container's private folder.

Standard library only: the supervisor imports this file in an interpreter without ``site``.
"""

import contextlib
import glob
import os
import shutil
import sys
import time
from pathlib import Path

# Debian keeps pip's wheel here, for the virtual environments that it creates.
SYSTEM_WHEELS = "/usr/share/python-wheels"
REMOVE_TIMEOUT = 10.0
POLL_INTERVAL = 0.05
FOLDERS = ("app", "home", "tmp", "jupyter")

PIP_SCRIPT = """#!{python}
import sys
from pip._internal.cli.main import main
sys.exit(main())
"""


def claim(root: Path) -> bool:
    """Create the folder; return False if it exists already and so belongs to another container."""
    try:
        root.mkdir(mode=0o700)
    except FileExistsError:
        return False
    return True


def create(root: Path, *, binds: list[tuple[str, str]]) -> None:
    """Fill the folder; its working directory is ``app``, and binds become links below it.

    Args:
        root: The folder, which was claimed before.
        binds: Pairs of an absolute host path and a path relative to ``app``.
    """
    for name in FOLDERS:
        (root / name).mkdir(mode=0o700)
    for host_path, target in binds:
        link = root / "app" / target
        link.parent.mkdir(parents=True, exist_ok=True)
        link.symlink_to(host_path)


def create_environment(root: Path, *, import_paths: list[str]) -> None:
    """Create a virtual environment that sees the host's packages and installs into itself.

    Args:
        root: The container's folder; the environment becomes ``venv`` in it.
        import_paths: Folders that hold the host's packages.
    """
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
    """Return the path of pip's wheel in the standard library, for a host without pip."""
    if any(os.path.isdir(os.path.join(path, "pip")) for path in import_paths):
        return []
    bundled = os.path.join(os.path.dirname(os.__file__), "ensurepip", "_bundled")
    found = glob.glob(f"{bundled}/pip-*.whl") + glob.glob(f"{SYSTEM_WHEELS}/pip-*.whl")
    return found[:1]


def log_tail(root: Path, lines: int = 20) -> list[str]:
    """Return the last lines of the gateway's log."""
    return (root / "log").read_text(errors="replace").splitlines()[-lines:]


def remove(root: Path) -> None:
    """Remove the folder; what the binds link to stays untouched.

    Processes that are still exiting may write to the folder, so the removal is repeated for up to
    ``REMOVE_TIMEOUT``.

    Raises:
        OSError: If the folder could not be removed in that time.
    """
    deadline = time.monotonic() + REMOVE_TIMEOUT
    while True:
        with contextlib.suppress(OSError):
            _remove_once(root)
        if not root.exists():
            return
        if time.monotonic() > deadline:
            raise OSError(f"The folder {root} could not be removed within {REMOVE_TIMEOUT:.0f} s.")
        time.sleep(POLL_INTERVAL)


def _remove_once(root: Path) -> None:
    def make_removable(function: object, path: str, _: object) -> None:
        if Path(path) == root:
            raise  # the folder above it must not be touched
        # The container's code may have removed its own permissions.
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
