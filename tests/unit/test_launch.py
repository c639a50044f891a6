"""What backends share: labels, the start of the runtime, the judgement of its probe."""

import dataclasses
import json
from pathlib import Path

import pytest

from ipybox import Bind, InvalidArgumentError, Port, Resources
from ipybox.authoring import (
    ContainerSpec,
    LaunchOutput,
    Owner,
    Probe,
    config_line,
    is_abandoned,
    judge,
    labels_for,
)
from ipybox.validation import check_kernel_id

GOOD = Probe(
    user=1000, group=1000, capabilities=0, no_new_privileges=True, seccomp=2,
    memory_bytes=4 * 2**30, pids=2048, mounts={"/": True},
)  # fmt: skip


@pytest.mark.parametrize("size", [1, 7, 10_000])
def test_events_among_other_output(size: int) -> None:
    output = LaunchOutput()
    text = (
        b'noise\n{"event": "bound", "port": 1}\n{"event": no json\nmore\r\n{"event": "ready"}\nend'
    )
    events = []
    for start in range(0, len(text), size):
        events += output.feed("stdout", text[start : start + size])
    assert [event["event"] for event in events] == ["bound", "ready"]
    assert output.tail() == ["noise", '{"event": no json', "more", "end"]
    assert output.feed("stderr", b'{"event": "ready"}\n') == []  # not where events come from


def test_a_line_without_end_is_bounded() -> None:
    output = LaunchOutput()
    for _ in range(100):
        output.feed("stdout", b"x" * 100_000)
    assert sum(map(len, output.tail(1000))) < 11_000_000


def test_the_settings_are_one_line() -> None:
    spec = ContainerSpec(lease=7)
    line = config_line(spec, hosts=["b", "a"])
    assert line.count(b"\n") == 1
    settings = json.loads(line)
    assert settings["token"] == spec.token
    assert settings["lease_seconds"] == 7
    assert settings["hosts"] == ["a", "b"]


def test_what_is_good() -> None:
    found = judge(ContainerSpec(), GOOD, "container")
    assert found.unmet == ()
    assert found.details["capabilities"] == "enforced"


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"user": 0}, "runs as root"),
        ({"capabilities": 0x2000}, "0x2000"),
        ({"no_new_privileges": False}, "no_new_privs"),
        ({"seccomp": 0}, "mode 0"),
        ({"memory_bytes": None}, "memory_bytes: found no limit"),
        ({"memory_bytes": 8 * 2**30}, "memory_bytes: found 8589934592"),
        ({"pids": None}, "pids"),
    ],
)
def test_what_is_not(change: dict[str, object], told: str) -> None:
    probe = dataclasses.replace(GOOD, **change)  # type: ignore[arg-type]
    (unmet,) = judge(ContainerSpec(), probe, "container").unmet
    assert told in unmet


def test_what_was_asked_for() -> None:
    bind = Bind(host_path=Path("/x"), container_path="a/b", read_only=True)
    spec = ContainerSpec(read_only_root=True, binds=(bind,), resources=Resources(cpus=2))
    found = judge(spec, GOOD, "container")
    assert len(found.unmet) == 3
    probe = dataclasses.replace(GOOD, cpus=2.0, mounts={"/": False, "/app/a/b": False})
    assert judge(spec, probe, "container").unmet == ()
    assert judge(spec, None, "container").unmet == ("nothing was measured",)
    root = dataclasses.replace(GOOD, user=0)
    assert judge(ContainerSpec(user="0:0"), root, "container").unmet == ()  # as asked for


def test_owners() -> None:
    own = Owner.current()
    assert not own.is_dead
    other_time = dataclasses.replace(own, started="1")
    assert other_time.is_dead  # the number was given to another process since
    assert dataclasses.replace(own, boot="x").is_dead  # this machine, before it was restarted
    assert not dataclasses.replace(own, boot="x", machine="y").is_dead  # another machine
    assert not dataclasses.replace(own, namespace="x", started="1").is_dead  # can't be seen
    for junk in ("", "a/b", "a/b/c/d/e", "a/b/c/1/e/f"):
        assert Owner.parse(junk) is None
    labels = labels_for(ContainerSpec())
    assert not is_abandoned(labels)
    assert is_abandoned({**labels, "ipybox.owner": str(other_time)})
    kept = labels_for(ContainerSpec(lease=None))
    assert not is_abandoned({**kept, "ipybox.owner": str(other_time)})
    assert not is_abandoned({})


@pytest.mark.parametrize(
    "bad",
    [
        {"name": "-x"}, {"name": "x"}, {"name": "a b"}, {"labels": {"ipybox.owner": "x"}},
        {"labels": {"a": 1}}, {"user": "a b"}, {"user": ""}, {"gpus": 0}, {"gpus": -1},
        {"gpus": True}, {"lease": 0}, {"lease": 0.1}, {"lease": "x"}, {"ports": (8000,)},
        {"ports": (Port(container_port=1), Port(container_port=1))},
    ],
)  # fmt: skip
def test_bad_arguments(bad: dict[str, object]) -> None:
    with pytest.raises(InvalidArgumentError):
        ContainerSpec(**bad)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "bad",
    [{"cpus": 0}, {"cpus": "1"}, {"cpus": True}, {"memory_bytes": 1.5e9}, {"memory_bytes": 1},
     {"pids": 3}, {"shm_bytes": -1}, {"open_files": 0}],
)  # fmt: skip
def test_bad_limits(bad: dict[str, object]) -> None:
    with pytest.raises(InvalidArgumentError, match=f"resources.{next(iter(bad))}"):
        Resources(**bad)  # type: ignore[arg-type]


def test_bad_ports_and_kernels() -> None:
    for port in (0, 70000, True, "80"):
        with pytest.raises(InvalidArgumentError):
            Port(container_port=port)  # type: ignore[arg-type]
    for kernel in ("../x", "", "a" * 65, 7):
        with pytest.raises(InvalidArgumentError):
            check_kernel_id(kernel)
