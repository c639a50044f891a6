"""A spec as Podman's payload; no engine is asked."""

from pathlib import Path

import pytest
from ipybox_podman.images import qualified
from ipybox_podman.limits import inherited_limits
from ipybox_podman.streams import frames
from ipybox_podman.translate import create_payload, user_mapping, wants_mapping

from ipybox import Bind, InvalidArgumentError, Port, Resources
from ipybox.authoring import ContainerSpec
from ipybox.engine import Placement

ROOTLESS = Placement(rootless=True)
BIND = Bind(host_path=Path("/host"), container_path="x")
READ_ONLY = Bind(host_path=Path("/host"), container_path="y", read_only=True)


def test_defaults_are_hardened() -> None:
    spec = ContainerSpec(env={"A": "b"})
    payload = create_payload(spec, ROOTLESS, user=None, mapping=None)
    assert payload["cap_drop"] == ["all"]
    assert payload["no_new_privileges"] is True
    assert payload["resource_limits"] == {
        "memory": {"limit": 4 * 2**30, "swap": 4 * 2**30}, "pids": {"limit": 2048},
    }  # fmt: skip
    assert payload["remove"] is True
    assert payload["httpproxy"] is False
    assert payload["portmappings"] == [
        {"container_port": 8888, "host_port": 0, "host_ip": "127.0.0.1", "protocol": "tcp"}
    ]
    assert payload["env"] == {"A": "b"}
    assert "user" not in payload and "userns" not in payload
    assert spec.token not in repr(payload)


def test_every_option_reaches_the_payload() -> None:
    spec = ContainerSpec(
        ports=(Port(container_port=53, host_port=5353, protocol="udp"),), port=7777,
        gpus="all", runtime="crun", engine_init=True, read_only_root=True,
        labels={"a": "b"}, binds=(READ_ONLY, BIND), lease=None,
        resources=Resources(cpus=0.5, open_files=512, shm_bytes=2**24),
    )  # fmt: skip
    payload = create_payload(spec, ROOTLESS, user="1:2", mapping="uid=1,gid=2")
    assert payload["portmappings"][0]["host_port"] == 7777
    assert payload["portmappings"][1] == {
        "container_port": 53, "host_port": 5353, "host_ip": "127.0.0.1", "protocol": "udp",
    }  # fmt: skip
    assert payload["devices"] == [{"path": "nvidia.com/gpu=all"}]
    assert payload["oci_runtime"] == "crun"
    assert payload["init"] is True
    assert payload["read_only_filesystem"] is True
    assert [volume["dest"] for volume in payload["volumes"]] == ["/app", "/home/ipybox"]
    binds = [mount for mount in payload["mounts"] if mount["type"] == "bind"]
    assert [(bind["destination"], bind["options"]) for bind in binds] == [
        ("/app/y", ["rbind", "ro"]), ("/app/x", ["rbind", "rw"]),
    ]  # fmt: skip
    assert payload["labels"]["ipybox.lease"] == "none"
    assert payload["user"] == "1:2"
    assert payload["userns"] == {"nsmode": "keep-id", "value": "uid=1,gid=2"}
    assert payload["resource_limits"]["cpu"] == {"period": 100_000, "quota": 50_000}
    assert payload["r_limits"] == [{"type": "nofile", "soft": 512, "hard": 512}]
    assert payload["shm_size"] == 2**24


def test_on_another_machine_ports_are_published_there() -> None:
    far = Placement(publish_on="192.0.2.7", host="far", local=False, host_names=("far",))
    payload = create_payload(ContainerSpec(), far, user=None, mapping=None)
    assert payload["portmappings"][0]["host_ip"] == "192.0.2.7"


CONFINED, FREE = "Name:\tx\nCapBnd:\t000001fffeffffff\n", "CapBnd:\t000001ffffffffff\n"


@pytest.mark.parametrize(
    ("status", "hard", "found"),
    [
        (CONFINED, {"nofile": 20000, "nproc": -1}, {"nofile": 20000, "nproc": 32768}),
        (CONFINED, {"nofile": 1 << 20, "nproc": 90}, {"nproc": 90}),
        (FREE, {"nofile": 20000, "nproc": 90}, {}),
    ],
)
def test_limits_that_root_cannot_raise_are_inherited(
    status: str, hard: dict[str, int], found: dict[str, int]
) -> None:
    assert inherited_limits(status, hard, 32768) == found


def test_limits_of_the_spec_take_precedence_over_inherited_ones() -> None:
    spec, found = ContainerSpec(resources=Resources(open_files=512)), {"nofile": 9, "nproc": 7}
    payload = create_payload(spec, Placement(), user=None, mapping=None, inherited_limits=found)
    assert payload["r_limits"] == [
        {"type": "nofile", "soft": 512, "hard": 512}, {"type": "nproc", "soft": 7, "hard": 7},
    ]  # fmt: skip


def test_gpus_by_number_and_by_id() -> None:
    for gpus, names in ((2, ["0", "1"]), ("0,GPU-x", ["0", "GPU-x"])):
        payload = create_payload(ContainerSpec(gpus=gpus), ROOTLESS, user=None, mapping=None)
        assert [item["path"] for item in payload["devices"]] == [
            f"nvidia.com/gpu={name}" for name in names
        ]


@pytest.mark.parametrize(
    ("user", "mapping"),
    [
        ("1000:1000", "uid=1000,gid=1000"),
        ("5", "uid=5,gid=5"),
        ("5:name", "uid=5,gid=5"),
        ("0:0", None),
        ("", None),
        ("root", None),
    ],
)
def test_the_user_of_the_code_is_mapped_to_the_hosts_user(user: str, mapping: str | None) -> None:
    assert user_mapping(user) == mapping


def test_a_user_named_without_a_number_is_refused() -> None:
    with pytest.raises(InvalidArgumentError, match=r"'ann'.*user='1000:1000'"):
        user_mapping("ann:ann")


def test_binds_keep_their_selinux_labels() -> None:
    bound = create_payload(ContainerSpec(binds=(BIND,)), ROOTLESS, user=None, mapping=None)
    assert bound["selinux_opts"] == ["disable"]
    alone = create_payload(ContainerSpec(), ROOTLESS, user=None, mapping=None)
    assert "selinux_opts" not in alone


def test_users_are_mapped_only_for_binds_of_a_rootless_engine() -> None:
    assert wants_mapping(ContainerSpec(binds=(BIND,)), ROOTLESS)
    assert not wants_mapping(ContainerSpec(), ROOTLESS)
    assert not wants_mapping(ContainerSpec(binds=(BIND,)), Placement())


@pytest.mark.parametrize(
    ("tag", "whole"),
    [
        ("python", "docker.io/library/python"),
        ("gradion/ipybox", "docker.io/gradion/ipybox"),
        ("localhost/x", "localhost/x"),
        ("quay.io/x/y:1", "quay.io/x/y:1"),
        ("host:5000/x", "host:5000/x"),
    ],
)
def test_an_image_is_pulled_from_the_registry_that_its_name_implies(tag: str, whole: str) -> None:
    assert qualified(tag) == whole


def test_frames_are_split_and_a_partial_one_is_dropped() -> None:
    out, err = b"\x01\0\0\0\0\0\0\x03abc", b"\x02\0\0\0\0\0\0\x01e"
    assert list(frames(out + err)) == [("stdout", b"abc"), ("stderr", b"e")]
    assert list(frames(out + err[:5])) == [("stdout", b"abc")]
