"""conmon, which Podman starts for each container, and which ends with what it keeps open."""

import asyncio
import os
from pathlib import Path

import httpx
import pytest
from ipybox_podman import sockets
from ipybox_podman.backend import PodmanBackend

from ipybox import ExecutionContainer

ROUNDS = 12
CONMON = """
conmon_env_vars = ["PATH=/usr/sbin:/usr/bin:/sbin:/bin", "MALLOC_MMAP_THRESHOLD_=4096"]
"""
"""What it has given back can't be read any more: a mistake of its shows at once."""


@pytest.fixture
def strict_memory(podman: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """For a service of the backend's own, with this host's settings else."""
    monkeypatch.delenv("CONTAINER_HOST", raising=False)
    monkeypatch.setattr(sockets, "usual", lambda environment, uid: [])
    settings = Path(
        os.environ.get("CONTAINERS_CONF", Path.home() / ".config/containers/containers.conf")
    )
    text = settings.read_text() if settings.exists() else ""
    if "[engine]" not in text:
        text += "\n[engine]\n"
    changed = tmp_path / "containers.conf"
    changed.write_text(text.replace("[engine]\n", f"[engine]{CONMON}"))
    monkeypatch.setenv("CONTAINERS_CONF", str(changed))


async def test_who_was_attached_leaves_while_the_container_prints(strict_memory: None) -> None:
    async with (
        PodmanBackend() as backend,
        ExecutionContainer("ipybox/minimal", backend=backend) as container,
    ):
        found = await backend.engine.connection.call_json(
            "find its conmon", "get", f"/containers/{container.id}/json"
        )
        conmon = Path("/proc", str(found["State"]["ConmonPid"]))
        address = f"http://{container.endpoint.host}:{container.port}"
        async with httpx.AsyncClient(base_url=address, timeout=20) as http:
            for _ in range(ROUNDS):
                for _ in range(2):
                    async with ExecutionContainer.attach(container.id, backend=backend):
                        pass
                # Each of them is a line of the gateway's.
                await asyncio.gather(*(http.get("/api/kernels") for _ in range(4)))
                assert "conmon" in (conmon / "comm").read_text()
        async with asyncio.timeout(30):  # conmon writes them down a moment later
            while len(await container.logs()) < 4 * ROUNDS:
                await asyncio.sleep(0.05)
