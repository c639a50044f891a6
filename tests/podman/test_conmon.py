"""conmon, the process that Podman starts for each container and that keeps its output open."""

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
"""Makes malloc unmap freed blocks, so that a use after free crashes conmon at once."""


@pytest.fixture
def strict_memory(podman: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Make the backend start a private service whose conmon crashes on memory errors.

    Podman's other settings stay those of this host.
    """
    monkeypatch.delenv("CONTAINER_HOST", raising=False)
    monkeypatch.setattr(sockets, "default_paths", lambda environment, uid: [])
    settings = Path(
        os.environ.get("CONTAINERS_CONF", Path.home() / ".config/containers/containers.conf")
    )
    text = settings.read_text() if settings.exists() else ""
    if "[engine]" not in text:
        text += "\n[engine]\n"
    changed = tmp_path / "containers.conf"
    changed.write_text(text.replace("[engine]\n", f"[engine]{CONMON}"))
    monkeypatch.setenv("CONTAINERS_CONF", str(changed))


async def test_detaching_while_the_container_prints_does_not_crash_conmon(
    strict_memory: None,
) -> None:
    async with (
        PodmanBackend() as backend,
        ExecutionContainer("ipybox/minimal", backend=backend) as container,
    ):
        found = await backend.engine.connection.call_json(
            "find its conmon", "get", f"/containers/{container.id}/json", timeout=30
        )
        conmon = Path("/proc", str(found["State"]["ConmonPid"]))
        address = f"http://{container.endpoint.host}:{container.port}"
        async with httpx.AsyncClient(base_url=address, timeout=20) as http:
            for _ in range(ROUNDS):
                for _ in range(2):
                    async with ExecutionContainer.attach(container.id, backend=backend):
                        pass
                # The gateway logs one line for each request.
                await asyncio.gather(*(http.get("/api/kernels") for _ in range(4)))
                assert "conmon" in (conmon / "comm").read_text()
        async with asyncio.timeout(30):  # conmon writes the lines to its log a moment later
            while len(await container.logs()) < 4 * ROUNDS:
                await asyncio.sleep(0.05)
