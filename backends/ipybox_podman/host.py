"""What a host has for rootless containers: read, not judged. Nothing of it needs Podman."""

from __future__ import annotations

import os
import pwd
import shutil
import stat
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

HELPERS = ("newuidmap", "newgidmap")
CAPABILITY_ATTRIBUTE = "security.capability"
SYSTEMD = "run/systemd/system"


@dataclass(frozen=True, kw_only=True)
class Host:
    """``subuid``, ``subgid``: the files' texts. ``helpers``: newuidmap and newgidmap, and
    whether each may do its work (None: it is not there). ``controllers``: those delegated to
    this process on cgroup v2, None for cgroup v1. ``family``: "debian", "fedora" or ""."""

    uid: int
    user: str
    subuid: str = ""
    subgid: str = ""
    helpers: dict[str, bool | None]
    controllers: frozenset[str] | None
    systemd: bool = False
    family: str = ""
    pasta: bool = False


def read_host(root: Path = Path("/")) -> Host:
    """``root``: where its files are. Blocks, for a moment."""
    uid = os.getuid()
    return Host(
        uid=uid,
        user=_user(uid),
        subuid=_text(root / "etc/subuid"),
        subgid=_text(root / "etc/subgid"),
        helpers={name: _may_map(shutil.which(name)) for name in HELPERS},
        controllers=_controllers(root),
        systemd=(root / SYSTEMD).is_dir(),
        family=_family(_text(root / "etc/os-release")),
        pasta=shutil.which("pasta") is not None,
    )


def _user(uid: int) -> str:
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return str(uid)


def _text(path: Path) -> str:
    try:
        return path.read_text(errors="replace")
    except OSError:
        return ""


def _may_map(program: str | None) -> bool | None:
    if program is None:
        return None
    if os.stat(program).st_mode & stat.S_ISUID:
        return True
    with suppress(OSError, AttributeError):  # no such attribute, or no such call
        return bool(os.getxattr(program, CAPABILITY_ATTRIBUTE))
    return False


def may_group(root: Path = Path("/")) -> bool:
    """Whether an ordinary user's containers have control groups of their own, as pausing
    needs: Podman makes them on version 2, and by way of systemd alone."""
    return _own_group(root) is not None and (root / SYSTEMD).is_dir()


def _controllers(root: Path) -> frozenset[str] | None:
    own = _own_group(root)
    return None if own is None else frozenset(_text(own / "cgroup.controllers").split())


def _own_group(root: Path) -> Path | None:
    """This process's group of version 2; None where version 1 has the controllers."""
    groups = root / "sys/fs/cgroup"
    if not (groups / "cgroup.controllers").exists():
        return None
    for line in _text(root / "proc/self/cgroup").splitlines():
        if line.startswith("0::"):
            return groups / line.removeprefix("0::").lstrip("/")
    return groups


def _family(release: str) -> str:
    fields = dict(line.split("=", 1) for line in release.splitlines() if "=" in line)
    words = f"{fields.get('ID', '')} {fields.get('ID_LIKE', '')}".replace('"', "").split()
    if {"debian", "ubuntu"} & set(words):
        return "debian"
    return "fedora" if {"fedora", "rhel", "centos"} & set(words) else ""
