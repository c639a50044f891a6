"""Invalid and unsupported input raises an IpyboxError, and nothing is started for it."""

from __future__ import annotations

import os
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

from ipybox.backend import Capability
from ipybox.errors import BackendError, InvalidArgumentError, UnsupportedError
from ipybox.spec.container import Bind
from ipybox.spec.image import BuildContext
from ipybox.spec.resources import Port, Resources
from ipybox.testing.conformance.base import Conformance
from ipybox.testing.conformance.checks import check

INVALID: tuple[dict[str, Any], ...] = (
    {"binds": {"x": "/abs"}}, {"binds": {"x": "../up"}}, {"binds": {"x": "t", "y": "t"}},
    {"binds": {"x": "t", "y": "t/below"}}, {"binds": {"x": "a\0b"}}, {"binds": {"": "t"}},
    {"env": {"A=B": "1"}}, {"env": {"": "1"}}, {"env": {"A": "1\0"}}, {"env": {"A": "\ud800"}},
    {"port": 0}, {"port": 65536}, {"port": True}, {"start_timeout": 0}, {"lease": 0.1},
    {"name": "-x"}, {"name": "a b"}, {"name": "../up"}, {"user": "a b"}, {"gpus": 0},
    {"labels": {"ipybox.owner": "me"}}, {"labels": {"": "x"}}, {"tag": " "},
    {"ports": (8000,)},
)  # fmt: skip

OPTIONS_NEEDING: dict[Capability, dict[str, Any]] = {
    Capability.BINDS: {"binds": (Bind(host_path=Path("never-made"), container_path="x"),)},
    Capability.READ_ONLY_BINDS: {
        "binds": (Bind(host_path=Path("never-made"), container_path="x", read_only=True),)
    },
    Capability.FIXED_PORT: {"port": 18888},
    Capability.RESOURCES: {"resources": Resources(pids=100)},
    Capability.PORTS: {"ports": (Port(container_port=8000),)},
    Capability.LABELS: {"labels": {"a": "b"}},
    Capability.USER: {"user": "1000"},
    Capability.GPUS: {"gpus": "all"},
    Capability.RUNTIMES: {"runtime": "runsc"},
    Capability.ENGINE_INIT: {"engine_init": True},
    Capability.READ_ONLY_ROOT: {"read_only_root": True},
    Capability.LEASES: {"lease": None},
}
"""For each capability that a spec can ask for: arguments that ask for it."""


class ValidationChecks(Conformance):
    @check()
    async def test_invalid_arguments_start_nothing(self) -> None:
        for options in INVALID:
            with pytest.raises(InvalidArgumentError):
                async with self.running(**options):
                    pass
            assert await self.leftovers() == [], options

    @check()
    async def test_unsupported_options_are_refused_before_any_effect(self) -> None:
        for capability, options in OPTIONS_NEEDING.items():
            if capability not in self.capabilities:
                with pytest.raises(UnsupportedError):
                    async with self.running(**options):
                        pass
        assert "never-made" not in os.listdir()

    @check()
    async def test_unsupported_calls_raise_unsupported_error(self) -> None:
        lacking = set(Capability) - self.capabilities
        context = BuildContext(recipe="x", files={}, tags=("x",), labels={}, content_hash="0" * 64)
        shared, subject = self.shared, self.subject
        calls: list[tuple[Capability, Callable[[], Awaitable[object]]]] = [
            (Capability.EXEC, lambda: shared.exec(["true"])),
            (Capability.EXEC, lambda: shared.open_stream(["true"])),
            (Capability.STATS, shared.stats),
            (Capability.PAUSE, shared.pause),
            (Capability.PAUSE, shared.unpause),
            (Capability.ATTACH, lambda: subject.attach("x")),
            (Capability.ATTACH, subject.list),
            (Capability.ATTACH, lambda: subject.logs("x")),
            (Capability.ATTACH, lambda: subject.remove("x")),
            (Capability.IMAGES, lambda: subject.image("x")),
            (Capability.IMAGES, subject.images),
            (Capability.IMAGES, lambda: subject.remove_image("x")),
            (Capability.IMAGES, lambda: anext(subject.pull("x"))),
            (Capability.IMAGES, lambda: anext(subject.build(context))),
        ]
        for capability, call in calls:
            if capability in lacking:
                with pytest.raises(UnsupportedError, match=capability.value):
                    await call()

    @check(Capability.USER)
    async def test_unknown_user_raises_backend_error(self) -> None:
        async with self.created(user="no-such-user") as container:
            with pytest.raises(BackendError):
                await container.start()

    @check(Capability.RUNTIMES)
    async def test_unknown_runtime_raises_backend_error(self) -> None:
        async with self.created(runtime="no-such-runtime") as container:
            with pytest.raises(BackendError, match="no-such-runtime"):
                await container.start()

    @check(Capability.GPUS)
    async def test_gpus_are_there_or_raise_backend_error(self) -> None:
        look = "import glob; print(bool(glob.glob('/dev/nvidia*') + glob.glob('/dev/dri/*')))"
        async with self.created(gpus="all") as container:
            try:
                await container.start()
            except BackendError:
                return  # this machine has none
            assert await self.python(look, on=container) == "True\n"
