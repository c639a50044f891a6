"""A spec as Docker's payload; no engine is asked."""

from pathlib import Path, PurePosixPath

import pytest
from ipybox_docker.translate import create_payload, on_engine_host

from ipybox import Bind, InvalidArgumentError, Port
from ipybox.authoring import ContainerSpec
from ipybox.engine import Placement

HERE = Placement()
READ_ONLY = Bind(host_path=Path("/host"), container_path="y", read_only=True)


def test_defaults_are_hardened() -> None:
    spec = ContainerSpec(env={"A": "b"})
    payload = create_payload(spec, HERE, None)
    host = payload["HostConfig"]
    assert host["CapDrop"] == ["ALL"]
    assert host["SecurityOpt"] == ["no-new-privileges:true"]
    assert host["Memory"] == host["MemorySwap"] == 4 * 2**30
    assert host["PidsLimit"] == 2048
    assert host["AutoRemove"] is True
    assert host["PortBindings"] == {"8888/tcp": [{"HostIp": "127.0.0.1", "HostPort": ""}]}
    assert "User" not in payload
    assert spec.token not in repr(payload)
    assert payload["Env"] == ["A=b"]


def test_every_option_reaches_the_payload() -> None:
    spec = ContainerSpec(
        ports=(Port(container_port=53, host_port=5353, protocol="udp"),),
        gpus="all", runtime="runsc", engine_init=True, read_only_root=True,
        labels={"a": "b"}, binds=(READ_ONLY,), lease=None,
    )  # fmt: skip
    payload = create_payload(spec, HERE, "1:2")
    host = payload["HostConfig"]
    assert host["PortBindings"]["53/udp"] == [{"HostIp": "127.0.0.1", "HostPort": "5353"}]
    assert host["DeviceRequests"][0]["Count"] == -1
    assert host["Runtime"] == "runsc"
    assert host["Init"] is True
    assert host["ReadonlyRootfs"] is True
    assert host["Mounts"][0] == {
        "Type": "bind", "Source": "/host", "Target": "/app/y", "ReadOnly": True
    }  # fmt: skip
    assert payload["Labels"]["ipybox.lease"] == "none"
    assert payload["User"] == "1:2"
    for gpus, key, value in ((2, "Count", 2), ("0,GPU-x", "DeviceIDs", ["0", "GPU-x"])):
        request = create_payload(ContainerSpec(gpus=gpus), HERE, None)["HostConfig"]
        assert request["DeviceRequests"][0][key] == value


def test_on_another_machine_ports_are_published_there() -> None:
    far = Placement(publish_on="192.0.2.7", host="far", local=False, host_names=("far",))
    host = create_payload(ContainerSpec(port=7777), far, None)["HostConfig"]
    assert host["PortBindings"]["8888/tcp"] == [{"HostIp": "192.0.2.7", "HostPort": "7777"}]


def test_an_engine_next_to_this_container_publishes_no_ports() -> None:
    inside = Placement(publish_on=None, host=None, network="n", mounts={"/data": "/srv/data"})
    bind = Bind(host_path=Path("/data/deep"), container_path="x")
    host = create_payload(ContainerSpec(binds=(bind,)), inside, None)["HostConfig"]
    assert host["PortBindings"] == {}
    assert host["NetworkMode"] == "n"
    assert host["Mounts"][0]["Source"] == "/srv/data/deep"
    assert on_engine_host(Path("/a/b/c"), {"/a": "/1", "/a/b": "/2"}) == PurePosixPath("/2/c")
    with pytest.raises(InvalidArgumentError, match="Mount the folder"):
        on_engine_host(Path("/elsewhere"), {"/data": "/srv/data"})
