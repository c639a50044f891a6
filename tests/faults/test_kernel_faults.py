"""What code can do to its own kernel, many times each. The client works again afterwards."""

import asyncio
import signal

import pytest

from ipybox import (
    ContainerLostError,
    ExecutionClient,
    ExecutionContainer,
    ExecutionInterruptedError,
    ExecutionTimeoutError,
    IpyboxError,
    KernelDiedError,
    Timeouts,
)
from ipybox.testing import FaultTrials

TRIALS = 10

DEATHS = {
    "os._exit(1)": ("import os; os._exit(1)", 1),
    "SIGSEGV": ("import ctypes; ctypes.string_at(0)", -signal.SIGSEGV),
    "SIGKILL": ("import os; os.kill(os.getpid(), 9)", -signal.SIGKILL),
    "SIGTERM to the group": ("import os; os.killpg(0, 15)\nwhile True: pass", -signal.SIGTERM),
    "abort": ("import os; os.abort()", -signal.SIGABRT),
}


async def check_works(client: ExecutionClient) -> None:
    assert (await client.execute("print(6 * 7)")).text == "42"


@pytest.mark.parametrize("name", DEATHS)
async def test_kernel_death_keeps_exit_code_and_output(
    client: ExecutionClient, faults: FaultTrials, name: str
) -> None:
    code, exit_code = DEATHS[name]
    for _ in range(TRIALS):
        # The code neither flushes its output nor waits, yet the output arrives.
        printed = f"print('one'); print('two')\n{code}"
        error = await faults.expect(KernelDiedError, client.execute(printed))
        assert error.exit_code == exit_code
        assert not error.out_of_memory
        assert error.text is not None
        assert error.text.split()[:2] == ["one", "two"]
        await faults.expect(KernelDiedError, client.execute("1"))
        await client.restart()
        await check_works(client)


CLOSINGS = {
    "all descriptors": "import os; os.closerange(3, 4096)\nwhile True: print('x')",
    "the descriptors of the output": "import os; [os.close(fd) for fd in range(3, 40) if 'pipe' in "
    "os.readlink(f'/proc/self/fd/{fd}')]",
    "the shell socket": "get_ipython().kernel.shell_stream.socket.close()",
    "the context": "get_ipython().kernel.shell_stream.socket.context.destroy()",
}


@pytest.mark.timeout(300)
@pytest.mark.parametrize("name", CLOSINGS)
async def test_closed_descriptors_have_a_named_outcome(
    client: ExecutionClient, faults: FaultTrials, name: str
) -> None:
    """The kernel may die, stop answering, or live on; each has an outcome of its own."""
    for _ in range(3):
        try:
            await faults.run(client.execute(f"print('on')\n{CLOSINGS[name]}", timeout=3))
            await faults.run(client.execute("1", timeout=3))
        except (KernelDiedError, ExecutionTimeoutError) as error:
            assert error.text in (None, "on") or "on" in (error.text or "")
        await client.restart()
        await check_works(client)


STUBBORN = {
    "except BaseException": "while True:\n  try:\n    while True: pass\n"
    "  except BaseException: pass",
    "a C call that holds the GIL": "sum(range(10**13))",
    "a stopped kernel": "import os, signal; os.kill(os.getpid(), signal.SIGSTOP)",
    "signals ignored": "import signal, time\nsignal.signal(2, signal.SIG_IGN)\ntime.sleep(60)",
}


@pytest.mark.timeout(300)
@pytest.mark.parametrize("name", STUBBORN)
async def test_a_timeout_of_stubborn_code_reports_the_state(
    container: ExecutionContainer, faults: FaultTrials, name: str
) -> None:
    async with ExecutionClient(container.port, timeouts=Timeouts(interrupt=1)) as client:
        for _ in range(3):
            await client.execute("kept = 1")
            execution = await client.submit(f"print('begun')\n{STUBBORN[name]}")
            async for _ in execution.stream():
                break
            error = await faults.expect(ExecutionTimeoutError, execution.result(timeout=0.5))
            assert isinstance(error, ExecutionTimeoutError)
            assert error.text == "begun"
            state = "print('preserved' if 'kept' in globals() else 'lost')"
            assert (await client.execute(state)).text == error.state


async def test_an_interrupt_just_before_a_blocking_call_takes_effect(
    client: ExecutionClient, faults: FaultTrials
) -> None:
    """The interrupt arrives between IPython's own steps; the code then blocks in a system call."""
    await client.execute("""
        elsewhere = {}  # code in this namespace does not belong to the cell
        exec("import os\\ndef interrupt(_): os.kill(os.getpid(), 2)", elsewhere)
        get_ipython().events.register("pre_run_cell", elsewhere["interrupt"])
    """)
    for _ in range(3):
        code = "import time; time.sleep(60)"
        await faults.expect(ExecutionInterruptedError, client.execute(code))


async def test_an_interrupt_at_any_time_loses_no_output(
    client: ExecutionClient, faults: FaultTrials
) -> None:
    """While code prints, between executions, twice in a row: no line is lost or duplicated."""
    for wait in range(TRIALS * 6):
        execution = await client.submit("i = 0\nwhile True:\n    print(i); i += 1")
        await asyncio.sleep(wait * 0.0037)
        await client.interrupt()
        error = await faults.expect(ExecutionInterruptedError, execution.result(10))
        assert isinstance(error, ExecutionInterruptedError)
        assert error.result is not None
        lines = error.result.stdout.splitlines()
        whole = [int(line) for line in lines[:-1]]
        assert whole == list(range(len(whole)))
        if wait % 2:  # otherwise, the next interrupt meets the state that this one has left
            await check_works(client)
    await check_works(client)


async def test_a_kernel_that_removes_its_folder_works_and_restarts(
    container: ExecutionContainer, faults: FaultTrials
) -> None:
    async with ExecutionClient(container.port) as client:
        for _ in range(TRIALS):
            gone = "import os, shutil; shutil.rmtree(os.getcwd(), ignore_errors=True)"
            await faults.run(client.execute(gone))
            await faults.run(client.execute("1"))
            await faults.run(client.restart())
            await check_works(client)


async def test_code_that_kills_the_parent_of_its_kernel_does_not_hang(
    backend: str, faults: FaultTrials
) -> None:
    """The parent is the fork server, and after its death the process that adopts orphans."""
    for _ in range(3):
        async with ExecutionContainer(backend=backend) as container:
            async with ExecutionClient(container.port) as client:
                for _ in range(3):
                    kill = "import os; print(x := 1); os.kill(os.getppid(), 9); print(2)"
                    try:
                        await faults.run(client.execute(kill, timeout=10))
                        await check_works(client)
                    except (ContainerLostError, KernelDiedError) as error:
                        assert error.text in (None, "1", "1\n2", "42")
                        if isinstance(error, ContainerLostError):
                            break
                        try:
                            await faults.run(client.restart())
                        except ContainerLostError:
                            break


async def test_a_timeout_at_any_time_preserves_the_kernel(
    client: ExecutionClient, faults: FaultTrials
) -> None:
    """An interrupt that arrives before the code has begun takes effect once it has begun."""
    await client.execute("kept = 7")
    for step in range(100):
        timeout = 0.0005 + step * 0.00006
        error = await faults.expect(
            ExecutionTimeoutError, client.execute("while True: pass", timeout=timeout)
        )
        assert error.state == "preserved"
    assert (await client.execute("print(kept)")).text == "7"


async def test_a_flooding_process_of_a_dead_kernel_harms_no_other_kernel(
    client: ExecutionClient, faults: FaultTrials
) -> None:
    """The process has left the kernel's process group, and floods the dead kernel's output."""
    for _ in range(3):
        code = """
            import os, subprocess
            left = subprocess.Popen(["sh", "-c", "read _; exec yes"], stdin=subprocess.PIPE,
                                    start_new_session=True)
            print("left", left.pid, flush=True)  # the flood may exceed the cap
            left.stdin.write(b"\\n"); left.stdin.flush()
            os._exit(1)
        """
        error = await faults.expect(KernelDiedError, client.execute(code))
        assert "left" in (error.text or "")
        await client.restart()
        await check_works(client)
        left = next(int(word) for word in (error.text or "").split() if word.isdigit())
        alive = f"import os\nwhile os.path.exists('/proc/{left}'): pass"
        # The process dies because its output is no longer read.
        await faults.run(client.execute(alive, timeout=10))


async def test_restart_removes_all_processes_of_a_kernel(
    container: ExecutionContainer, faults: FaultTrials
) -> None:
    """The processes are in the kernel's process group, and are killed with it."""
    bomb = """
        import os, time
        for i in range(200):
            if os.fork() == 0:
                time.sleep(600)
        print("forked")
        while True:
            os.kill(os.getpid(), 0)
    """
    async with ExecutionClient(container.port) as client:
        group = (await client.execute("import os; print(os.getpgid(0))")).text
        error = await faults.expect(IpyboxError, client.execute(bomb, timeout=8))
        assert isinstance(error, ExecutionTimeoutError)
        assert error.text is not None
        assert "forked" in error.text  # newer Pythons also warn about forks with threads
        await client.restart()
        await check_works(client)
        count = f"""
            import os
            left = 0
            for pid in filter(str.isdigit, os.listdir("/proc")):
                try:
                    left += os.getpgid(int(pid)) == {group}
                except ProcessLookupError:
                    pass
            print(left)
        """
        assert (await client.execute(count)).text == "0"
