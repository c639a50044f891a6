"""Assess a host: what it lacks for Podman's containers, and how to fix it. No I/O."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Literal

from ipybox.authoring import Finding
from ipybox_podman.host import Host

WANTED_IDS = 65536
FIRST_ID = 100_000
WANTED_CONTROLLERS = ("cpu", "memory", "pids")
INSTALL = {"debian": "sudo apt install", "fedora": "sudo dnf install"}
USE_OVERLAY = (
    'Set driver="overlay" in the [storage] section of {file}, then run: '
    "podman system reset (this removes all images and containers)"
)
STORAGE_FILE = "~/.config/containers/storage.conf"
STORAGE_FILE_OF_ROOT = "/etc/containers/storage.conf"
BOOT_WITH_CGROUP_2 = (
    "Boot with cgroup v2: add systemd.unified_cgroup_hierarchy=1 to the kernel's command line "
    "(in /etc/default/grub), then run: sudo update-grub && sudo reboot"
)
DELEGATE = (
    "Write the lines [Service] and Delegate=cpu cpuset io memory pids to "
    "/etc/systemd/system/user@.service.d/delegate.conf, then run: sudo systemctl daemon-reload, "
    "and log in again"
)
NEEDS_SYSTEMD = (
    "Podman sets the limits of an ordinary user's containers through systemd only: run it on a "
    "host with systemd, in a session that systemd has started, or as root"
)


def assess_host(host: Host, info: Mapping[str, Any] | None) -> list[Finding]:
    """Return the findings that ``ipybox doctor`` prints for this host.

    Root needs neither subordinate ids nor helpers nor delegated controllers, so these are
    assessed for ordinary users only.

    Args:
        host: What the host provides.
        info: The engine's answer to ``GET /info``; None if the engine does not answer.
    """
    findings = []
    if host.uid != 0:
        findings += [*_ids(host), *_helpers(host), _cgroup(host)]
    if info is not None:
        findings += _engine(host, info)
    return findings


def _ids(host: Host) -> Iterator[Finding]:
    user = host.user
    first = free_ids(host.subuid + "\n" + host.subgid)
    ids = f"{first}-{first + WANTED_IDS - 1}"
    remedy = (
        f"Run: sudo usermod --add-subuids {ids} --add-subgids {ids} {user} && podman system migrate"
    )
    for name, text in (("subuid", host.subuid), ("subgid", host.subgid)):
        count = subordinate_ids(text, user, host.uid)
        yield _finding(
            f"rows in /etc/{name}", count >= WANTED_IDS, "error",
            f"{count} ids for {user}; containers need {WANTED_IDS}", remedy,
        )  # fmt: skip


def subordinate_ids(text: str, user: str, uid: int) -> int:
    """Return how many subordinate ids a user has.

    Args:
        text: The content of ``/etc/subuid`` or ``/etc/subgid``.
        user: The user's name; a row may also name the user by number.
        uid: The user's numeric id.
    """
    return sum(count for owner, _, count in _rows(text) if owner in (user, str(uid)))


def free_ids(text: str) -> int:
    """Return the first id above all that are assigned, and at least ``FIRST_ID``.

    Two users who share subordinate ids could reach each other's files.

    Args:
        text: The content of ``/etc/subuid``, ``/etc/subgid``, or both.
    """
    return max([FIRST_ID, *(first + count for _, first, count in _rows(text))])


def _rows(text: str) -> Iterator[tuple[str, int, int]]:
    """Yield owner, first id and count of each valid row."""
    for line in text.splitlines():
        fields = line.split("#")[0].strip().split(":")
        if len(fields) == 3 and fields[1].isdigit() and fields[2].isdigit():
            yield fields[0], int(fields[1]), int(fields[2])


def _helpers(host: Host) -> Iterator[Finding]:
    package = {"debian": "uidmap", "fedora": "shadow-utils"}.get(
        host.family, "the package that provides it"
    )
    install = _install(host, package)
    for name, allowed in host.helpers.items():
        found = {None: "not installed", False: "not permitted to map users", True: "installed"}
        remedy = install if allowed is None else f'Run: sudo chmod u+s "$(command -v {name})"'
        yield _finding(name, bool(allowed), "error", found[allowed], remedy)


def _cgroup(host: Host) -> Finding:
    name = "limits"
    if host.controllers is None:
        found = "cgroup v1: an ordinary user cannot limit memory, processors and processes"
        return Finding(name=name, level="warning", found=found, remedy=BOOT_WITH_CGROUP_2)
    missing = [wanted for wanted in WANTED_CONTROLLERS if wanted not in host.controllers]
    found = f"cgroup v2, not delegated: {', '.join(missing)}" if missing else "cgroup v2, delegated"
    remedy = DELEGATE if host.systemd else NEEDS_SYSTEMD
    return _finding(name, not missing, "warning", found, remedy)


def _engine(host: Host, info: Mapping[str, Any]) -> Iterator[Finding]:
    driver = str((info.get("store") or {}).get("graphDriverName", "?"))
    slow = driver == "vfs"
    yield _finding(
        "storage driver", not slow, "warning",
        f"{driver}: slow, and each container holds a full copy of its image" if slow else driver,
        USE_OVERLAY.format(file=STORAGE_FILE if host.uid else STORAGE_FILE_OF_ROOT),
    )  # fmt: skip
    if host.uid != 0:
        slirp = ((info.get("host") or {}).get("slirp4netns") or {}).get("executable")
        yield _finding(
            "network helper", bool(slirp) or host.pasta, "error",
            "pasta" if host.pasta else str(slirp or "neither pasta nor slirp4netns is installed"),
            _install(host, "slirp4netns"),
        )  # fmt: skip


def _install(host: Host, package: str) -> str:
    command = INSTALL.get(host.family)
    return f"Run: {command} {package}" if command else f"Install {package}"


def _finding(
    name: str, good: bool, level: Literal["warning", "error"], found: str, remedy: str
) -> Finding:
    """Return a finding of ``level`` with its remedy, or an "ok" one if all is good."""
    if good:
        return Finding(name=name, level="ok", found=found)
    return Finding(name=name, level=level, found=found, remedy=remedy)
