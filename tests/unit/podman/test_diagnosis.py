"""Findings about a rootless host: what it lacks, and the command that fixes it."""

import dataclasses
from pathlib import Path
from typing import Any

import pytest
from ipybox_podman.diagnosis import assess_host, subordinate_ids
from ipybox_podman.host import Host, has_user_cgroups, read_host

INFO: dict[str, Any] = {
    "store": {"graphDriverName": "overlay"},
    "host": {"slirp4netns": {"executable": "/usr/bin/slirp4netns"}},
}
COMPLETE = Host(
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
    """Return what was found and the remedy, by name, of each finding that is not ok."""
    found = assess_host(host, info)
    assert all(finding.remedy for finding in found if finding.level != "ok")
    return {
        finding.name: (finding.found, finding.remedy or "")
        for finding in found
        if finding.level != "ok"
    }


def test_a_complete_host_lacks_nothing() -> None:
    assert bad(COMPLETE) == {}
    assert {finding.level for finding in assess_host(COMPLETE, INFO)} == {"ok"}


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
def test_too_few_subordinate_ids_are_an_error(text: str, count: int) -> None:
    assert subordinate_ids(text, "ann", 1000) == count
    lacking = dataclasses.replace(COMPLETE, subuid=text)
    assert ("rows in /etc/subuid" in bad(lacking)) == (count < 65536)


def test_usermod_is_the_remedy_for_missing_rows() -> None:
    found, remedy = bad(dataclasses.replace(COMPLETE, subgid=""))["rows in /etc/subgid"]
    assert found.startswith("0 ids for ann")
    assert "usermod --add-subuids" in remedy and " ann " in remedy


def test_ids_of_another_user_are_not_assigned_again() -> None:
    taken = dataclasses.replace(COMPLETE, subuid="bob:100000:65536\neve:300000:1000\n", subgid="")
    remedy = bad(taken)["rows in /etc/subuid"][1]
    assert "--add-subuids 301000-366535 --add-subgids 301000-366535 ann" in remedy
    free = dataclasses.replace(COMPLETE, subuid="", subgid="")
    assert "--add-subuids 100000-165535 " in bad(free)["rows in /etc/subuid"][1]


@pytest.mark.parametrize(
    ("family", "command"),
    [("debian", "sudo apt install uidmap"), ("fedora", "sudo dnf install shadow-utils")],
)
def test_missing_helpers_are_reported_with_the_command_for_the_distribution(
    family: str, command: str
) -> None:
    host = dataclasses.replace(
        COMPLETE, family=family, helpers={"newuidmap": None, "newgidmap": False}
    )
    assert command in bad(host)["newuidmap"][1]
    assert "chmod u+s" in bad(host)["newgidmap"][1]


def test_missing_cgroup_controllers_are_reported_with_a_remedy() -> None:
    old = bad(dataclasses.replace(COMPLETE, controllers=None))["limits"]
    assert "cgroup v1" in old[0] and "unified_cgroup_hierarchy" in old[1]
    few = dataclasses.replace(COMPLETE, controllers=frozenset({"memory"}))
    assert bad(few)["limits"][0] == "cgroup v2, not delegated: cpu, pids"
    assert "Delegate=" in bad(few)["limits"][1]
    assert "systemd" in bad(dataclasses.replace(few, systemd=False))["limits"][1]


def test_storage_driver_and_network_helper_are_assessed() -> None:
    slow = {**INFO, "store": {"graphDriverName": "vfs"}}
    assert 'driver="overlay"' in bad(COMPLETE, slow)["storage driver"][1]
    alone = {**INFO, "host": {"slirp4netns": {"executable": ""}}}
    assert "slirp4netns" in bad(COMPLETE, alone)["network helper"][1]
    other = dataclasses.replace(COMPLETE, family="")
    assert bad(other, alone)["network helper"][1] == "Install slirp4netns"
    root = dataclasses.replace(COMPLETE, uid=0)
    assert "/etc/containers/storage.conf" in bad(root, slow)["storage driver"][1]
    assert bad(dataclasses.replace(COMPLETE, pasta=True), alone) == {}
    assert bad(COMPLETE, None) == {}


def test_root_needs_no_ids_helpers_or_controllers() -> None:
    root = dataclasses.replace(COMPLETE, uid=0, subuid="", helpers={}, controllers=None)
    assert bad(root) == {}


def test_read_host_reads_ids_distribution_and_controllers(tmp_path: Path) -> None:
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


def test_user_cgroups_need_cgroup_v2_and_systemd(tmp_path: Path) -> None:
    (tmp_path / "sys/fs/cgroup").mkdir(parents=True)
    (tmp_path / "run/systemd/system").mkdir(parents=True)
    assert not has_user_cgroups(tmp_path)  # cgroup v1
    (tmp_path / "sys/fs/cgroup/cgroup.controllers").touch()
    assert has_user_cgroups(tmp_path)
    (tmp_path / "run/systemd/system").rmdir()
    assert not has_user_cgroups(tmp_path)
