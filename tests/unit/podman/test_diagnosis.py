"""What a rootless host lacks, from what was read of it."""

import dataclasses
from pathlib import Path
from typing import Any

import pytest
from ipybox_podman.diagnosis import judge_host, subordinate_ids
from ipybox_podman.host import Host, may_group, read_host

INFO: dict[str, Any] = {
    "store": {"graphDriverName": "overlay"},
    "host": {"slirp4netns": {"executable": "/usr/bin/slirp4netns"}},
}
WHOLE = Host(
    uid=1000,
    user="ann",
    subuid="ann:100000:65536\n",
    subgid="ann:100000:65536\n",
    helpers={"newuidmap": True, "newgidmap": True},
    controllers=frozenset({"cpu", "memory", "pids"}),
    systemd=True,
    family="debian",
)


def bad(host: Host, info: dict[str, Any] | None = INFO) -> dict[str, tuple[str, str]]:
    """Findings that are not ok: name to what was found, and to the remedy."""
    found = judge_host(host, info)
    assert all(finding.remedy for finding in found if finding.level != "ok")
    return {
        finding.name: (finding.found, finding.remedy or "")
        for finding in found
        if finding.level != "ok"
    }


def test_a_whole_host_lacks_nothing() -> None:
    assert bad(WHOLE) == {}
    assert {finding.level for finding in judge_host(WHOLE, INFO)} == {"ok"}


@pytest.mark.parametrize(
    ("text", "count"),
    [
        ("ann:100000:65536\n", 65536),
        ("1000:100000:65536\n", 65536),
        ("ann:1:1000\n# ann:1:9\nann:5000:500\n", 1500),
        ("bob:100000:65536\nanna:1:65536\n", 0),
        ("ann:100000\nann:x:y\n", 0),
        ("", 0),
    ],
)
def test_subordinate_ids(text: str, count: int) -> None:
    assert subordinate_ids(text, "ann", 1000) == count
    lacking = dataclasses.replace(WHOLE, subuid=text)
    assert ("rows in /etc/subuid" in bad(lacking)) == (count < 65536)


def test_rows_that_are_missing_are_mended_by_usermod() -> None:
    found, remedy = bad(dataclasses.replace(WHOLE, subgid=""))["rows in /etc/subgid"]
    assert found.startswith("0 ids for ann")
    assert "usermod --add-subuids" in remedy and " ann " in remedy


def test_ids_that_somebody_has_are_not_given_to_another() -> None:
    taken = dataclasses.replace(WHOLE, subuid="bob:100000:65536\neve:300000:1000\n", subgid="")
    remedy = bad(taken)["rows in /etc/subuid"][1]
    assert "--add-subuids 301000-366535 --add-subgids 301000-366535 ann" in remedy
    nobody = dataclasses.replace(WHOLE, subuid="", subgid="")
    assert "--add-subuids 100000-165535 " in bad(nobody)["rows in /etc/subuid"][1]


@pytest.mark.parametrize(
    ("family", "command"),
    [("debian", "sudo apt install uidmap"), ("fedora", "sudo dnf install shadow-utils")],
)
def test_programs_that_map_users(family: str, command: str) -> None:
    host = dataclasses.replace(
        WHOLE, family=family, helpers={"newuidmap": None, "newgidmap": False}
    )
    assert command in bad(host)["newuidmap"][1]
    assert "chmod u+s" in bad(host)["newgidmap"][1]


def test_limits() -> None:
    old = bad(dataclasses.replace(WHOLE, controllers=None))["limits"]
    assert "cgroup v1" in old[0] and "unified_cgroup_hierarchy" in old[1]
    few = dataclasses.replace(WHOLE, controllers=frozenset({"memory"}))
    assert bad(few)["limits"][0] == "cgroup v2, not delegated: cpu, pids"
    assert "Delegate=" in bad(few)["limits"][1]
    assert "systemd" in bad(dataclasses.replace(few, systemd=False))["limits"][1]


def test_the_engines_storage_and_network() -> None:
    slow = {**INFO, "store": {"graphDriverName": "vfs"}}
    assert 'driver="overlay"' in bad(WHOLE, slow)["storage driver"][1]
    alone = {**INFO, "host": {"slirp4netns": {"executable": ""}}}
    assert "slirp4netns" in bad(WHOLE, alone)["network helper"][1]
    other = dataclasses.replace(WHOLE, family="")
    assert bad(other, alone)["network helper"][1] == "Install slirp4netns"
    root = dataclasses.replace(WHOLE, uid=0)
    assert "/etc/containers/storage.conf" in bad(root, slow)["storage driver"][1]
    assert bad(dataclasses.replace(WHOLE, pasta=True), alone) == {}
    assert bad(WHOLE, None) == {}


def test_root_needs_none_of_it() -> None:
    root = dataclasses.replace(WHOLE, uid=0, subuid="", helpers={}, controllers=None)
    assert bad(root) == {}


def test_what_is_read(tmp_path: Path) -> None:
    (tmp_path / "etc").mkdir()
    (tmp_path / "etc/subuid").write_text("x:1:2\n")
    (tmp_path / "etc/os-release").write_text('ID=rocky\nID_LIKE="rhel centos fedora"\n')
    (tmp_path / "proc/self").mkdir(parents=True)
    (tmp_path / "proc/self/cgroup").write_text("0::/user.slice/a\n")
    own = tmp_path / "sys/fs/cgroup/user.slice/a"
    own.mkdir(parents=True)
    (own / "cgroup.controllers").write_text("memory pids\n")
    (tmp_path / "sys/fs/cgroup/cgroup.controllers").write_text("cpu memory pids\n")
    host = read_host(tmp_path)
    assert host.subuid == "x:1:2\n" and host.subgid == ""
    assert host.family == "fedora"
    assert host.controllers == frozenset({"memory", "pids"})
    assert not host.systemd
    (tmp_path / "sys/fs/cgroup/cgroup.controllers").unlink()
    assert read_host(tmp_path).controllers is None


def test_where_an_ordinary_user_can_pause(tmp_path: Path) -> None:
    (tmp_path / "sys/fs/cgroup").mkdir(parents=True)
    (tmp_path / "run/systemd/system").mkdir(parents=True)
    assert not may_group(tmp_path)  # version 1
    (tmp_path / "sys/fs/cgroup/cgroup.controllers").touch()
    assert may_group(tmp_path)
    (tmp_path / "run/systemd/system").rmdir()
    assert not may_group(tmp_path)
