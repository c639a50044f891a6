"""What holds by default, told by a probe and by the code itself."""

import pytest

from ipybox import ExecutionClient, ExecutionContainer, Resources
from ipybox.authoring import Container, ContainerSpec
from ipybox.engine.container import EngineContainer
from ipybox.errors import GuaranteeError
from ipybox.plugins.selection import load_backend
from ipybox.spec.resources import DEFAULT_MEMORY_BYTES, DEFAULT_PIDS
from tests.engines.witness import Witness

STATUS = """
    for line in open("/proc/self/status"):
        if line.split(":")[0] in ("Uid", "CapEff", "CapBnd", "NoNewPrivs", "Seccomp"):
            print(line.strip().replace("\\t", " "))
"""


async def test_code_has_no_privileges(client: ExecutionClient) -> None:
    text = (await client.execute(STATUS)).text
    assert text is not None
    assert "Uid: 0" not in text
    assert "CapEff: 0000000000000000" in text
    assert "CapBnd: 0000000000000000" in text
    assert "NoNewPrivs: 1" in text
    assert "Seccomp: 2" in text


async def test_guarantees_are_measured(engine: Witness, container: ExecutionContainer) -> None:
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


async def test_setuid_programs_give_nothing(client: ExecutionClient) -> None:
    code = """
        import subprocess
        done = subprocess.run(["su", "-c", "id"], input="", text=True, capture_output=True)
        print(done.returncode != 0)
    """
    assert (await client.execute(code)).text == "True"


async def test_ports_are_on_loopback(engine: Witness, container: ExecutionContainer) -> None:
    ports = (await engine.inspect(container.id))["NetworkSettings"]["Ports"]
    assert [item["HostIp"] for item in ports["8888/tcp"]] == ["127.0.0.1"]


async def test_secrets_are_in_no_argv_and_no_environment(
    engine: Witness, container: ExecutionContainer
) -> None:
    assert container.endpoint.token not in await engine("inspect", container.id)
    assert container.endpoint.token not in await engine("logs", container.id)


async def test_process_1_reaps_orphans(client: ExecutionClient) -> None:
    code = """
        import os, subprocess, time
        for _ in range(5):
            subprocess.run(["sh", "-c", "sh -c 'sleep 0.05' & exit 0"])
        time.sleep(1)  # they have ended, and somebody has to have noticed
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


async def test_limits_are_enforced(engine: Witness) -> None:
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


async def test_strict_refuses_what_is_not_enforced(
    engine: Witness, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An engine whose seccomp profile is switched off does not hold what is a default."""
    backend = load_backend(engine.name)
    create = backend.create

    async def unconfined(spec: ContainerSpec) -> Container:
        container = await create(spec)
        assert isinstance(container, EngineContainer)
        if engine.name == "docker":
            container.payload["HostConfig"]["SecurityOpt"].append("seccomp=unconfined")
        else:
            container.payload = {**container.payload, "seccomp_profile_path": "unconfined"}
        return container

    monkeypatch.setattr(backend, "create", unconfined)
    with pytest.raises(GuaranteeError, match="no seccomp filter"):
        await ExecutionContainer(strict=True, backend=backend).run()
    async with ExecutionContainer(backend=backend) as container:
        assert container.guarantees.details["system calls"] == "none"
        assert "no seccomp filter (mode 0)" in container.guarantees.unmet


async def test_what_needs_root_is_told(engine: Witness) -> None:
    async with ExecutionContainer(user="0:0") as container:
        assert container.guarantees.probe is not None
        assert container.guarantees.probe.user == 0
        async with ExecutionClient(container.port) as client:
            text = (await client.execute(STATUS)).text
            assert text is not None
            assert "CapEff: 0000000000000000" in text


async def test_the_log_is_bounded(engine: Witness, container: ExecutionContainer) -> None:
    if engine.name == "docker":
        config = (await engine.inspect(container.id))["HostConfig"]["LogConfig"]["Config"]
        assert config == {"max-file": "2", "max-size": "900k"}
    async with ExecutionClient(container.port) as client:
        await client.execute("import sys\nfor _ in range(300): print('x' * 9999)")
    assert sum(len(line) for line in await container.logs(10_000)) < 2 * 2**20
