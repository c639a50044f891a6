"""What is enforced by default, as a probe and the code itself find it."""

from collections.abc import Mapping
from typing import Any

import pytest
from ipybox_docker.backend import DockerBackend
from ipybox_podman.backend import PodmanBackend

from ipybox import ExecutionClient, ExecutionContainer, Resources
from ipybox.engine import Ref
from ipybox.errors import GuaranteeError
from ipybox.plugins.selection import load_backend
from ipybox.spec.resources import DEFAULT_MEMORY_BYTES, DEFAULT_PIDS
from tests.engines.engine_cli import EngineCli

STATUS = """
    for line in open("/proc/self/status"):
        if line.split(":")[0] in ("Uid", "CapEff", "CapBnd", "NoNewPrivs", "Seccomp"):
            print(line.strip().replace("\\t", " "))
"""


async def test_code_runs_without_privileges(client: ExecutionClient) -> None:
    text = (await client.execute(STATUS)).text
    assert text is not None
    assert "Uid: 0" not in text
    assert "CapEff: 0000000000000000" in text
    assert "CapBnd: 0000000000000000" in text
    assert "NoNewPrivs: 1" in text
    assert "Seccomp: 2" in text


async def test_guarantees_are_measured(engine: EngineCli, container: ExecutionContainer) -> None:
    found = container.guarantees
    assert found.isolation == "container"
    assert found.probe is not None
    assert found.probe.user != 0
    lacking = {name for name, how in found.details.items() if how != "enforced"}
    if engine.limits_hold:
        assert found.unmet == ()
        assert found.probe.memory_bytes == DEFAULT_MEMORY_BYTES
        assert found.probe.pids == DEFAULT_PIDS
        assert lacking == {"network"}
    else:
        *limits, remedy = found.unmet
        assert [text.split(":")[0] for text in limits] == ["memory_bytes", "pids"]
        assert "Delegate=" in remedy
        assert lacking == {"network", "memory", "processes"}


async def test_setuid_programs_gain_no_privileges(client: ExecutionClient) -> None:
    code = """
        import subprocess
        done = subprocess.run(["su", "-c", "id"], input="", text=True, capture_output=True)
        print(done.returncode != 0)
    """
    assert (await client.execute(code)).text == "True"


async def test_ports_are_on_loopback(engine: EngineCli, container: ExecutionContainer) -> None:
    ports = (await engine.inspect(container.id))["NetworkSettings"]["Ports"]
    assert [item["HostIp"] for item in ports["8888/tcp"]] == ["127.0.0.1"]


async def test_secrets_are_in_no_argv_and_no_environment(
    engine: EngineCli, container: ExecutionContainer
) -> None:
    assert container.endpoint.token not in await engine("inspect", container.id)
    assert container.endpoint.token not in await engine("logs", container.id)


async def test_process_1_reaps_orphans(client: ExecutionClient) -> None:
    code = """
        import os, subprocess, time
        for _ in range(5):
            subprocess.run(["sh", "-c", "sh -c 'sleep 0.05' & exit 0"])
        time.sleep(1)  # the orphans have exited, and process 1 has to reap them
        end = time.monotonic() + 5
        while time.monotonic() < end:
            states = []
            for pid in filter(str.isdigit, os.listdir("/proc")):
                try:
                    states.append(open(f"/proc/{pid}/stat").read().rpartition(")")[2].split()[:2])
                except OSError:
                    pass
            if not any(state == "Z" for state, _ in states):
                break
        print([row for row in states if row[0] == "Z"], os.path.exists("/proc/1"))
    """
    assert (await client.execute(code)).text == "[] True"


async def test_process_1_can_be_neither_killed_nor_stopped(container: ExecutionContainer) -> None:
    async with ExecutionClient(container.port) as client:
        await client.execute("import os; os.kill(1, 9); os.kill(1, 19)")
        assert (await client.execute("print('alive')")).text == "alive"


async def test_limits_are_enforced(engine: EngineCli) -> None:
    limits = Resources(
        memory_bytes=512 * 2**20, pids=100, cpus=0.5, shm_bytes=16 * 2**20, open_files=512
    )
    if not engine.limits_hold:
        with pytest.raises(GuaranteeError, match=r"memory_bytes.*Delegate="):
            await ExecutionContainer(resources=limits, strict=True).run()
        return
    async with ExecutionContainer(resources=limits, strict=True) as container:
        probe = container.guarantees.probe
        assert probe is not None
        assert (probe.memory_bytes, probe.pids, probe.cpus) == (512 * 2**20, 100, 0.5)
        async with ExecutionClient(container.port) as client:
            code = """
                import resource as limits, shutil
                print(shutil.disk_usage("/dev/shm").total, limits.getrlimit(7))
            """
            assert (await client.execute(code)).text == f"{16 * 2**20} (512, 512)"


async def test_strict_refuses_to_start_without_a_default_that_is_not_enforced(
    engine: EngineCli, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Here the seccomp filter, a default, because the container is created without a profile."""
    backend = load_backend(engine.name)
    assert isinstance(backend, DockerBackend | PodmanBackend)
    create_from = backend.engine.create_from

    async def unconfined(name: str, payload: Mapping[str, Any]) -> Ref:
        if engine.name == "docker":
            payload["HostConfig"]["SecurityOpt"].append("seccomp=unconfined")
            return await create_from(name, payload)
        return await create_from(name, {**payload, "seccomp_profile_path": "unconfined"})

    monkeypatch.setattr(backend.engine, "create_from", unconfined)
    with pytest.raises(GuaranteeError, match="no seccomp filter"):
        await ExecutionContainer(strict=True, backend=backend).run()
    async with ExecutionContainer(backend=backend) as container:
        assert container.guarantees.details["system calls"] == "none"
        assert "no seccomp filter (mode 0)" in container.guarantees.unmet


async def test_code_runs_as_root_if_asked_to_but_without_capabilities(engine: EngineCli) -> None:
    async with ExecutionContainer(user="0:0") as container:
        assert container.guarantees.probe is not None
        assert container.guarantees.probe.user == 0
        async with ExecutionClient(container.port) as client:
            text = (await client.execute(STATUS)).text
            assert text is not None
            assert "CapEff: 0000000000000000" in text


async def test_the_log_is_bounded(engine: EngineCli, container: ExecutionContainer) -> None:
    if engine.name == "docker":
        config = (await engine.inspect(container.id))["HostConfig"]["LogConfig"]["Config"]
        assert config == {"max-file": "2", "max-size": "900k"}
    async with ExecutionClient(container.port) as client:
        await client.execute("import sys\nfor _ in range(300): print('x' * 9999)")
    assert sum(len(line) for line in await container.logs(10_000)) < 2 * 2**20
