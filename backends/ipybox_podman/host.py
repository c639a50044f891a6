"""What a host provides for rootless containers: facts only, read without Podman."""

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
    """What a host provides for the rootless containers of one user.

    Attributes:
        uid: The user's numeric id.
        user: The user's name; the number as a str if the user has no name.
        subuid: The content of ``/etc/subuid``; "" if it cannot be read.
        subgid: The content of ``/etc/subgid``; "" if it cannot be read.
        helpers: Maps ``newuidmap`` and ``newgidmap`` to whether each is permitted to map users;
            None if the program is not installed.
        controllers: The cgroup v2 controllers that are delegated to this process; None on
            cgroup v1.
        systemd: Whether the host runs systemd.
        family: The Linux distribution's family: "debian", "fedora", or "" for any other.
        pasta: Whether the network helper ``pasta`` is installed.
    """

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
    """Read what this host provides. Reads a few files, so it blocks briefly.

    Args:
        root: The folder in which ``etc``, ``proc``, ``run`` and ``sys`` are looked up; tests pass
            their own.
    """
    uid = os.getuid()
    return Host(
        uid=uid,
        user=_user(uid),
        subuid=_text(root / "etc/subuid"),
        subgid=_text(root / "etc/subgid"),
        helpers={name: _may_map_users(shutil.which(name)) for name in HELPERS},
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


def _may_map_users(program: str | None) -> bool | None:
    if program is None:
        return None
    if os.stat(program).st_mode & stat.S_ISUID:
        return True
    # The file has no such attribute, or this system has no such call.
    with suppress(OSError, AttributeError):
        return bool(os.getxattr(program, CAPABILITY_ATTRIBUTE))
    return False


def has_user_cgroups(root: Path = Path("/")) -> bool:
    """Return whether containers of an ordinary user get control groups of their own.

    Pausing needs them. Podman creates them on cgroup v2 only, and only through systemd.

    Args:
        root: As for :func:`read_host`.
    """
    return _own_cgroup(root) is not None and (root / SYSTEMD).is_dir()


def _controllers(root: Path) -> frozenset[str] | None:
    own = _own_cgroup(root)
    return None if own is None else frozenset(_text(own / "cgroup.controllers").split())


def _own_cgroup(root: Path) -> Path | None:
    """Return this process's cgroup v2 folder; None if cgroup v1 holds the controllers."""
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
