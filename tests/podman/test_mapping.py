"""Binds of a rootless engine: Podman copies an image's layers for a new user mapping."""

import asyncio
import os
import subprocess
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from ipybox_podman import userns
from ipybox_podman.backend import PodmanBackend

from ipybox import ExecutionClient, ExecutionContainer
from ipybox.authoring import BuildEvent

TAG = "localhost/ipybox-mapping-test:latest"
RECIPE = f"FROM localhost/ipybox/minimal\nRUN echo {os.getpid()} >/tmp/new\n"


@pytest.fixture
async def new_image(podman: str) -> AsyncIterator[str]:
    """Build an image whose last layer has not been copied for any mapping yet."""
    if os.getuid() == 0:
        pytest.skip("a rootful engine maps no users")
    await _podman("build", "--quiet", "--tag", TAG, "--file", "-", given=RECIPE)
    yield TAG
    await _podman("rmi", "--force", TAG)


async def _podman(*arguments: str, given: str = "") -> str:
    done = await asyncio.to_thread(
        subprocess.run, ["podman", *arguments],
        input=given, text=True, check=True, capture_output=True,
    )  # fmt: skip
    return str(done.stdout)


async def test_the_first_start_reports_that_layers_are_copied(
    new_image: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(userns, "REPORT_INTERVAL", 0.05)
    reported: list[list[BuildEvent]] = []
    async with PodmanBackend() as backend:
        for _ in range(2):
            events: list[BuildEvent] = []
            async with (
                ExecutionContainer(
                    tag=new_image, backend=backend, binds={str(tmp_path): "x"},
                    show_pull_progress=events.append,
                ) as container,
                ExecutionClient(container.port) as client,
            ):  # fmt: skip
                await client.execute("open('x/from inside', 'w').close()")
            reported.append([event for event in events if "layers are copied" in event.text])
    first, second = reported
    assert first and not second
    assert {event.item for event in first} == {new_image}
    assert (tmp_path / "from inside").stat().st_uid == os.getuid()


async def test_a_first_start_can_be_cancelled(new_image: str, tmp_path: Path) -> None:
    """Nothing is left of the helper container, and the next start succeeds."""
    async with PodmanBackend() as backend:
        container = ExecutionContainer(
            tag=new_image, backend=backend, binds={str(tmp_path): "x"}, show_pull_progress=False
        )
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.3), container:
                pass
        assert await _podman("ps", "--all", "--quiet", "--filter", "name=ipybox-mapping") == ""
        async with container:
            assert container.port
