"""Output while processes are forked, and from signal handlers."""

import re

from ipybox import ExecutionClient


async def test_signal_handlers_can_print(client: ExecutionClient) -> None:
    """A handler interrupts other prints thousands of times, and no word is lost or doubled."""
    result = await client.execute("""
        import signal, time
        heard = 0
        def handler(*_):
            global heard
            heard += 1
            print("S", heard)
        signal.signal(signal.SIGALRM, handler)
        signal.setitimer(signal.ITIMER_REAL, 0.0005, 0.0005)
        end = time.monotonic() + 1
        said = 0
        while time.monotonic() < end or heard <= 100:
            print("M", said := said + 1)
        signal.setitimer(signal.ITIMER_REAL, 0)
        print("END", heard, said)
    """)
    # A handler may print between the words of a line.
    *numbers, heard, said = (int(number) for number in re.findall(r"\d+", result.stdout))
    assert heard > 100
    assert sorted(numbers) == sorted([*range(1, heard + 1), *range(1, said + 1)])


async def test_forks_do_not_repeat_pending_output(client: ExecutionClient) -> None:
    """Text that waits to be sent when the kernel forks is sent by the parent alone."""
    result = await client.execute("""
        import os, threading, warnings
        warnings.simplefilter("ignore")
        going, said = True, 0
        def talk():
            global said
            while going and said < 1_000_000:
                print(said)
                said += 1
        thread = threading.Thread(target=talk)
        thread.start()
        for _ in range(100):
            if (pid := os.fork()) == 0:
                os._exit(0)
            os.waitpid(pid, 0)
        going = False
        thread.join()
    """)
    found = [int(line) for line in result.stdout.split()]
    assert found == list(range(len(found)))


async def test_a_fork_without_descriptors_can_exit(client: ExecutionClient) -> None:
    """A fork that has closed its output channel exits with its own code; its text is lost."""
    result = await client.execute("""
        import os
        if (pid := os.fork()) == 0:
            os.closerange(3, 4096)
            print("lost", end="")
            os._exit(7)
        print(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))
    """)
    assert result.stdout == "7\n"
