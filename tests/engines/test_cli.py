"""The commands that list, run and remove containers."""

import json
import time

import pytest

from ipybox import ExecutionContainer
from tests.engines.engine_cli import EngineCli, ipybox


async def test_ps_lists_logs_prints_and_rm_removes_a_container(engine: EngineCli) -> None:
    async with ExecutionContainer(name=f"ipybox-test-{time.monotonic_ns()}") as container:
        rows = json.loads((await ipybox("ps", "--json")).stdout)
        (row,) = [row for row in rows if row["id"] == container.id]
        assert row["state"] == "running"
        assert not row["abandoned"]
        assert container.id[:12] in (await ipybox("ps")).stdout
        assert (await ipybox("logs", container.id)).returncode == 0
        done = await ipybox("rm", container.id, "no-such-container")
        assert done.stdout.strip() == container.id
        assert done.returncode == 1
        assert "no-such-container" in done.stderr
        assert (await container.wait()).code != 0


async def test_cleanup_removes_only_containers_of_ipybox(engine: EngineCli) -> None:
    if json.loads((await ipybox("ps", "--json")).stdout):
        pytest.skip("other containers of ipybox exist, and this test would remove them")
    foreign = (await engine("create", "gradion/ipybox")).strip()
    kept = ExecutionContainer(lease=None)
    await kept.run()
    try:
        assert "0 removed" in (await ipybox("cleanup")).stderr  # its owner lives
        assert "0 removed" in (await ipybox("cleanup", "--older-than", "3600")).stderr
        assert "Give either" in (await ipybox("cleanup", "--all", "--older-than", "1")).stderr
        done = await ipybox("cleanup", "--older-than", "0")
        assert kept.id[:1] and "removed" in done.stderr
        left = (await engine("ps", "-a", "-q", "--no-trunc")).split()
        assert foreign in left
        assert kept.id not in left
    finally:
        await engine("rm", foreign)
        await kept.kill()


async def test_run_prints_the_output_of_unprivileged_code(engine: EngineCli) -> None:
    done = await ipybox("run", "-c", "import os; print(os.getuid() != 0, 6 * 7)")
    assert (done.stdout, done.returncode) == ("True 42\n", 0)
