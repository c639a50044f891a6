"""A spec as Docker's payload, and who runs the code: without an engine."""

from pathlib import Path, PurePosixPath

import aiodocker
import aiohttp
import pytest
from ipybox_docker.errors import engine_call, translated
from ipybox_docker.translate import create_payload, on_engine_host

import ipybox
from ipybox import BackendError, BackendUnavailableError, Bind, InvalidArgumentError, Port
from ipybox.authoring import ContainerSpec, Surroundings, run_user, seconds_of
from ipybox.errors import (
    ContainerNotFoundError,
    EngineGoneError,
    EngineTimeoutError,
    NameTakenError,
    PortTakenError,
)

HERE = Surroundings()
BIND = Bind(host_path=Path("/host"), container_path="x")
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


def test_what_is_asked_for() -> None:
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
    far = Surroundings(publish_on="192.0.2.7", host="far", local=False, names=("far",))
    host = create_payload(ContainerSpec(port=7777), far, None)["HostConfig"]
    assert host["PortBindings"]["8888/tcp"] == [{"HostIp": "192.0.2.7", "HostPort": "7777"}]


def test_inside_a_container_nothing_is_published() -> None:
    inside = Surroundings(publish_on=None, host=None, network="n", mounts={"/data": "/srv/data"})
    bind = Bind(host_path=Path("/data/deep"), container_path="x")
    host = create_payload(ContainerSpec(binds=(bind,)), inside, None)["HostConfig"]
    assert host["PortBindings"] == {}
    assert host["NetworkMode"] == "n"
    assert host["Mounts"][0]["Source"] == "/srv/data/deep"
    assert on_engine_host(Path("/a/b/c"), {"/a": "/1", "/a/b": "/2"}) == PurePosixPath("/2/c")
    with pytest.raises(InvalidArgumentError, match="Mount the folder"):
        on_engine_host(Path("/elsewhere"), {"/data": "/srv/data"})


@pytest.mark.parametrize(
    ("spec", "around", "uid", "user"),
    [
        (ContainerSpec(), HERE, 1000, None),
        (ContainerSpec(user="5:6", binds=(BIND,)), HERE, 1000, "5:6"),
        (ContainerSpec(binds=(BIND,)), HERE, 1000, "1000:1000"),
        (ContainerSpec(binds=(BIND,)), HERE, 0, "0:0"),
        (ContainerSpec(binds=(READ_ONLY,)), HERE, 0, None),
        (ContainerSpec(binds=(READ_ONLY, BIND)), HERE, 0, "0:0"),
        (ContainerSpec(binds=(BIND,)), Surroundings(rootless=True), 1000, "0:0"),
        (ContainerSpec(binds=(BIND,)), Surroundings(local=False), 1000, None),
    ],
)
def test_who_runs_the_code(
    spec: ContainerSpec, around: Surroundings, uid: int, user: str | None
) -> None:
    assert run_user(spec, around, uid, uid) == user


@pytest.mark.parametrize(
    ("status", "message", "kind"),
    [
        (900, "Cannot connect", EngineGoneError),
        (
            500,
            "driver failed: Bind for 127.0.0.1:80 failed: port is already allocated",
            PortTakenError,
        ),
        (500, "listen tcp4 127.0.0.1:80: bind: address already in use", PortTakenError),
        (409, 'Conflict. The container name "/x" is already in use by container', NameTakenError),
        (500, "write /var: no space left on device", BackendError),
        (404, "No such container: x", ContainerNotFoundError),
        (404, "No such image: x", ipybox.errors.ImageNotFoundError),
        (403, "no", BackendUnavailableError),
        (500, "whatever", BackendError),
    ],
)
def test_errors_of_the_engine(status: int, message: str, kind: type[BackendError]) -> None:
    error = translated("do it", aiodocker.DockerError(status, message))
    assert type(error) is kind
    assert message in str(error)


def _all_errors(root: type[BaseException]) -> list[type[BaseException]]:
    return [root, *(found for child in root.__subclasses__() for found in _all_errors(child))]


async def test_no_foreign_error_gets_out() -> None:
    """Each that the libraries below have, made without their constructors."""
    kinds = [*_all_errors(aiodocker.DockerError), *_all_errors(aiohttp.ClientError)]
    assert len(kinds) > 20
    for kind in kinds:
        with pytest.raises(BackendError):
            async with engine_call("do it"):
                raise type(kind.__name__, (kind,), {"__init__": _init, "__str__": _text})()


def _init(self: BaseException) -> None:
    self.status, self.message = 500, "m"  # type: ignore[attr-defined]


def _text(self: BaseException) -> str:
    return "m"


async def test_a_call_that_takes_too_long() -> None:
    import asyncio

    with pytest.raises(EngineTimeoutError, match="did not do it within 0 s"):
        async with engine_call("do it", 0.01):
            await asyncio.sleep(10)
    with pytest.raises(TimeoutError) as caught:  # the caller's own stays what it is
        async with asyncio.timeout(0.01):
            async with engine_call("do it"):
                await asyncio.sleep(10)
    assert not isinstance(caught.value, BackendError)


@pytest.mark.parametrize(
    "text",
    ["2026-11-23T05:30:34Z", "2026-11-23T05:30:34.006418721Z", "2026-11-23T07:30:34.1+02:00"],
)
def test_times(text: str) -> None:
    assert seconds_of(text) == 1795411834
