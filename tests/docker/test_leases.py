"""A container belongs to a living owner; what a dead one has left goes."""

import asyncio
import subprocess
import sys
import textwrap
import time
from pathlib import Path

import pytest
from ipybox_docker.backend import DockerBackend

from ipybox import ExecutionClient, ExecutionContainer
from tests.docker.witness import engine

POINTS = {
    "before it is created": "patch(DockerContainer, '_create', before=True)",
    "created": "patch(DockerContainer, '_create')",
    "attached": "patch(Attachment, 'open')",
    "started, not configured": "patch(Attachment, 'write', before=True)",
    "configured": "patch(Attachment, 'write')",
    "ready": "patch(ExecutionContainer, 'run')",
    "in mid-cell": "patch(ExecutionClient, 'connect', after=0.5)",
    "in its end": "patch(DockerContainer, 'kill', before=True)",
}

OWNER = """
    import asyncio, os, sys
    from ipybox import ExecutionClient, ExecutionContainer
    from ipybox_docker.attachment import Attachment
    from ipybox_docker.container import DockerContainer

    def patch(owner, name, before=False, after=0.0):
        whole = owner.__dict__[name]
        original = getattr(whole, "__func__", whole)

        async def dying(*args, **kwargs):
            if before:
                os.kill(os.getpid(), 9)
            result = await original(*args, **kwargs)
            if after:
                asyncio.get_running_loop().call_later(after, os.kill, os.getpid(), 9)
            else:
                os.kill(os.getpid(), 9)
            return result

        setattr(owner, name, classmethod(dying) if isinstance(whole, classmethod) else dying)

    async def main():
        async with ExecutionContainer(name=sys.argv[1], lease=2) as container:
            async with ExecutionClient(container.port) as client:
                await client.execute("import time; time.sleep(1)")

    {point}
    asyncio.run(main())
"""


def states(name: str) -> list[str]:
    listed = engine("ps", "-a", "--filter", f"name={name}", "--format", "{{.State}}")
    return listed.split()


@pytest.mark.parametrize("point", POINTS)
async def test_kill_9_of_the_owner_leaves_nothing(docker: str, point: str) -> None:
    name = f"ipybox-test-{time.monotonic_ns()}"
    code = textwrap.dedent(OWNER).replace("{point}", POINTS[point])
    owner = await asyncio.create_subprocess_exec(sys.executable, "-c", code, name)
    assert await owner.wait() == -9
    end = time.monotonic() + 20
    while states(name) not in ([], ["created"]) and time.monotonic() < end:
        await asyncio.sleep(0.1)
    # What never ran has no clock of its own: the next one who comes removes it.
    assert states(name) in ([], ["created"])
    async with DockerBackend() as backend:
        await backend.sweep()
    assert states(name) == []


async def test_a_sweep_ends_what_a_dead_owner_left_running(docker: str) -> None:
    name = f"ipybox-test-{time.monotonic_ns()}"
    code = (
        textwrap.dedent(OWNER).replace("{point}", POINTS["ready"]).replace("lease=2", "lease=600")
    )
    owner = await asyncio.create_subprocess_exec(sys.executable, "-c", code, name)
    assert await owner.wait() == -9
    assert states(name) == ["running"]
    async with ExecutionContainer() as mine:
        async with DockerBackend() as backend:
            assert name in [info.name for info in await backend.sweep()]
        assert states(name) == []
        async with ExecutionClient(mine.port) as client:  # that of a living owner is left alone
            assert (await client.execute("print(1)")).text == "1"


async def test_a_stopped_gateway_does_not_outlive_its_lease(docker: str) -> None:
    """The code can stop the gateway, and with it the renewals, but not process 1."""
    async with ExecutionContainer(lease=2) as container:
        async with ExecutionClient(container.port) as client:
            code = """
                import os
                for pid in filter(str.isdigit, os.listdir("/proc")):
                    command = open(f"/proc/{pid}/cmdline", "rb").read()
                    if pid != "1" and b"-m\\0ipybox_runtime" in command:
                        os.kill(int(pid), 19)
            """
            stopping = asyncio.create_task(client.execute(code))
            status = await asyncio.wait_for(container.wait(), 15)
            assert status.reason == "its lease was not renewed"
            with pytest.raises(Exception):  # noqa: B017  # how it is told is tested elsewhere
                await stopping


@pytest.mark.blocks
async def test_a_living_owner_keeps_it(docker: str) -> None:
    async with ExecutionContainer(lease=1) as container:
        time.sleep(2.5)  # not even a program that blocks its event loop loses it
        async with ExecutionClient(container.port) as client:
            assert (await client.execute("print(1)")).text == "1"


async def test_a_pause_does_not_count(docker: str) -> None:
    async with ExecutionContainer(lease=1.5) as container:
        await container.pause()
        await asyncio.sleep(4)
        await container.unpause()
        async with ExecutionClient(container.port) as client:
            assert (await client.execute("print(1)")).text == "1"


ANOTHER = """
    import asyncio, sys
    from ipybox import ExecutionClient, ExecutionContainer

    async def main():
        async with ExecutionContainer.attach(sys.argv[1]) as container:
            assert container.guarantees.unmet == (), container.guarantees
            async with ExecutionClient(
                container.port, kernel_id=sys.argv[2], keep_kernel=True
            ) as client:
                print((await client.execute("x += 1; print(x)")).text)

    asyncio.run(main())
"""


async def test_attaching_from_another_process(docker: str) -> None:
    """A container without a lease, a kernel that is kept: found again by their ids."""
    async with ExecutionContainer(lease=None) as container:
        async with ExecutionClient(container.port) as client:
            await client.execute("x = 1")
            arguments = [
                sys.executable,
                "-c",
                textwrap.dedent(ANOTHER),
                container.id,
                client.kernel_id,
            ]
            for expected in ("2", "3"):
                done = await asyncio.to_thread(
                    subprocess.run, arguments, capture_output=True, text=True, timeout=60
                )
                assert (done.stdout.strip(), done.stderr) == (expected, "")
            assert (await client.execute("print(x)")).text == "3"


async def test_detaching_leaves_it_running(docker: str) -> None:
    first = ExecutionContainer(lease=None)
    await first.run()
    name = first.id
    await first.detach()
    assert states_of(name) == "running"
    async with ExecutionContainer.attach(name) as again:
        async with ExecutionClient(again.port) as client:
            assert (await client.execute("print(1)")).text == "1"
    assert states_of(name) == "running"
    last = ExecutionContainer.attach(name)
    await last.run()
    await last.kill()
    assert name not in engine("ps", "-a", "-q", "--no-trunc")


async def test_who_attaches_holds_it(docker: str) -> None:
    """The maker is dead; who has attached to it renews the lease, and a sweep sees that."""
    name = f"ipybox-test-{time.monotonic_ns()}"
    code = textwrap.dedent(OWNER).replace("{point}", POINTS["ready"]).replace("lease=2", "lease=4")
    owner = await asyncio.create_subprocess_exec(sys.executable, "-c", code, name)
    assert await owner.wait() == -9
    async with ExecutionContainer.attach(name) as container:
        async with ExecutionClient(container.port) as client:
            await client.execute("x = 1")
            async with DockerBackend() as backend:
                assert name not in [info.name for info in await backend.sweep()]
            await asyncio.sleep(5)
            assert (await client.execute("print(x)")).text == "1"
        await container.kill()


def states_of(container_id: str) -> str:
    return engine("inspect", "--format", "{{.State.Status}}", container_id).strip()


def test_no_path_of_ours_is_needed(tmp_path: Path) -> None:
    """Owners are told apart by what the system says of them, and nothing that is written."""
    from ipybox.authoring import Owner

    own = Owner.current()
    assert Owner.parse(str(own)) == own
    assert not own.is_dead
    done = subprocess.run(
        [sys.executable, "-c", "from ipybox.authoring import Owner; print(Owner.current())"],
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    dead = Owner.parse(done.stdout.strip())
    assert dead is not None and dead.is_dead
