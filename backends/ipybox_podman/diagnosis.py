"""What a rootless host lacks, and what mends it: pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from ipybox.authoring import Finding
from ipybox_podman.host import Host

WANTED_IDS = 65536
FIRST_ID = 100_000
WANTED_CONTROLLERS = ("cpu", "memory", "pids")
INSTALL = {"debian": "sudo apt install", "fedora": "sudo dnf install"}
STORAGE = (
    'Write driver="overlay" below [storage] in {file}, then run: '
    "podman system reset (which removes all images and containers)"
)
STORAGE_FILE = "~/.config/containers/storage.conf"
STORAGE_FILE_OF_ROOT = "/etc/containers/storage.conf"
BOOT = (
    "Boot with cgroup v2: add systemd.unified_cgroup_hierarchy=1 to the kernel's command line "
    "(in /etc/default/grub), then run: sudo update-grub && sudo reboot"
)
DELEGATE = (
    "Write [Service] and Delegate=cpu cpuset io memory pids to "
    "/etc/systemd/system/user@.service.d/delegate.conf, then run: sudo systemctl daemon-reload, "
    "and log in again"
)
DELEGATE_WITHOUT = (
    "Podman sets an ordinary user's limits by way of systemd alone: run it on a host that has "
    "systemd, in a session that systemd has started, or as root"
)


def judge_host(host: Host, info: Mapping[str, Any] | None) -> list[Finding]:
    """``info``: what the engine tells of itself, None where it does not answer."""
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
    mend = (
        f"Run: sudo usermod --add-subuids {ids} --add-subgids {ids} {user} && podman system migrate"
    )
    for name, text in (("subuid", host.subuid), ("subgid", host.subgid)):
        count = subordinate_ids(text, user, host.uid)
        yield _finding(
            f"rows in /etc/{name}", count >= WANTED_IDS, "error",
            f"{count} ids for {user}; containers need {WANTED_IDS}", mend,
        )  # fmt: skip


def subordinate_ids(text: str, user: str, uid: int) -> int:
    """How many ids the rows of a user hold, who stands there by name or by number."""
    return sum(count for owner, _, count in _rows(text) if owner in (user, str(uid)))


def free_ids(text: str) -> int:
    """The first id above all that somebody has: two users of the same ids could reach each
    other's files."""
    return max([FIRST_ID, *(first + count for _, first, count in _rows(text))])


def _rows(text: str) -> Iterator[tuple[str, int, int]]:
    """Owner, first id and count."""
    for line in text.splitlines():
        fields = line.split("#")[0].strip().split(":")
        if len(fields) == 3 and fields[1].isdigit() and fields[2].isdigit():
            yield fields[0], int(fields[1]), int(fields[2])


def _helpers(host: Host) -> Iterator[Finding]:
    package = {"debian": "uidmap", "fedora": "shadow-utils"}.get(host.family, "the package of it")
    install = _install(host, package)
    for name, allowed in host.helpers.items():
        found = {None: "not installed", False: "it lacks the right to map users", True: "there"}
        mend = install if allowed is None else f'Run: sudo chmod u+s "$(command -v {name})"'
        yield _finding(name, bool(allowed), "error", found[allowed], mend)


def _cgroup(host: Host) -> Finding:
    name = "limits"
    if host.controllers is None:
        found = "cgroup v1: an ordinary user can't limit memory, processors and processes"
        return Finding(name=name, level="warning", found=found, remedy=BOOT)
    missing = [wanted for wanted in WANTED_CONTROLLERS if wanted not in host.controllers]
    found = f"cgroup v2, not delegated: {', '.join(missing)}" if missing else "cgroup v2, delegated"
    mend = DELEGATE if host.systemd else DELEGATE_WITHOUT
    return _finding(name, not missing, "warning", found, mend)


def _engine(host: Host, info: Mapping[str, Any]) -> Iterator[Finding]:
    driver = str((info.get("store") or {}).get("graphDriverName", "?"))
    slow = driver == "vfs"
    yield _finding(
        "storage driver", not slow, "warning",
        f"{driver}: slow, and each container has a whole copy of its image" if slow else driver,
        STORAGE.format(file=STORAGE_FILE if host.uid else STORAGE_FILE_OF_ROOT),
    )  # fmt: skip
    if host.uid != 0:
        slirp = ((info.get("host") or {}).get("slirp4netns") or {}).get("executable")
        yield _finding(
            "network helper", bool(slirp) or host.pasta, "error",
            "pasta" if host.pasta else str(slirp or "neither pasta nor slirp4netns is there"),
            _install(host, "slirp4netns"),
        )  # fmt: skip


def _install(host: Host, package: str) -> str:
    command = INSTALL.get(host.family)
    return f"Run: {command} {package}" if command else f"Install {package}"


def _finding(name: str, well: bool, bad: str, found: str, remedy: str) -> Finding:
    if well:
        return Finding(name=name, level="ok", found=found)
    return Finding(name=name, level="error" if bad == "error" else "warning", found=found,
                   remedy=remedy)  # fmt: skip
