"""A container lives as long as its owner renews its lease, and is removed after that."""

import asyncio
import subprocess
import sys
import textwrap
import time

import pytest

from ipybox import ExecutionClient, ExecutionContainer
from ipybox.plugins.selection import load_backend
from tests.engines.engine_cli import EngineCli

POINTS = {
    "before it is created": "patch(EngineContainer, '_create', before=True)",
    "created": "patch(EngineContainer, '_create')",
    "attached": "patch(ContainerOutput, 'open')",
    "started, not configured": "patch(ContainerOutput, 'write', before=True)",
    "configured": "patch(ContainerOutput, 'write')",
    "ready": "patch(ExecutionContainer, 'run')",
    "in the middle of an execution": "patch(ExecutionClient, 'connect', after=0.5)",
    "while it is killed": "patch(EngineContainer, 'kill', before=True)",
}

OWNER = """
    import asyncio, os, sys
    from ipybox import ExecutionClient, ExecutionContainer
    from ipybox.engine import EngineContainer
    from ipybox.engine.output import ContainerOutput

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


NOT_RUNNING: tuple[list[str], ...] = ([], ["created"], ["initialized"])
"""Podman initializes a container when a client attaches to it."""


async def states(engine: EngineCli, name: str) -> list[str]:
    listed = await engine("ps", "-a", "--filter", f"name={name}", "--format", "{{.State}}")
    return listed.lower().split()


@pytest.mark.parametrize("point", POINTS)
async def test_a_killed_owner_leaves_nothing_behind(engine: EngineCli, point: str) -> None:
    name = f"ipybox-test-{time.monotonic_ns()}"
    code = textwrap.dedent(OWNER).replace("{point}", POINTS[point])
    owner = await asyncio.create_subprocess_exec(sys.executable, "-c", code, name)
    assert await owner.wait() == -9
    end = time.monotonic() + 20
    while await states(engine, name) not in NOT_RUNNING and time.monotonic() < end:
        await asyncio.sleep(0.1)
    # A container that has never run has no lease of its own; the next sweep removes it.
    assert await states(engine, name) in NOT_RUNNING
    async with load_backend(engine.name) as backend:
        await backend.sweep()
    assert await states(engine, name) == []


async def test_a_stopped_gateway_does_not_outlive_its_lease(engine: EngineCli) -> None:
    """The code can stop the gateway, and so the renewals, but not process 1."""
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
            with pytest.raises(Exception):  # noqa: B017  # other tests check which one
                await stopping


@pytest.mark.blocks
async def test_a_living_owner_keeps_its_container(engine: EngineCli) -> None:
    async with ExecutionContainer(lease=3) as container:
        time.sleep(7)  # also while the owner blocks its event loop
        async with ExecutionClient(container.port) as client:
            assert (await client.execute("print(1)")).text == "1"


ANOTHER = """
    import asyncio, sys
    from ipybox import ExecutionClient, ExecutionContainer

    async def main():
        async with ExecutionContainer.attach(sys.argv[1]) as container:
            async with ExecutionClient(
                container.port, kernel_id=sys.argv[2], keep_kernel=True
            ) as client:
                print((await client.execute("x += 1; print(x)")).text)

    asyncio.run(main())
"""


async def test_another_process_can_attach(engine: EngineCli) -> None:
    """The process finds a container without a lease, and a kernel that is kept, by their ids."""
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


def test_owners_are_told_apart_without_any_file() -> None:
    """What the system reports of a process is enough."""
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
