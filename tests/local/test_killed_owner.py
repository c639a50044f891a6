"""A local container stops, and leaves nothing behind, if its owner is killed."""

import subprocess
import sys
import time
from pathlib import Path


def test_container_of_a_killed_owner_leaves_nothing(local: str, tmp_path: Path) -> None:
    """The owner gets SIGKILL while children of the kernel run.

    Backends with leases have tests of their own: there the lease does the cleanup.
    """
    script = """
import asyncio, os, signal, ipybox
async def main():
    async with ipybox.session() as client:
        result = await client.execute('''
            import os, subprocess
            plain = subprocess.Popen(["sleep", "600"])
            far = subprocess.Popen(["sleep", "601"], start_new_session=True)
            lost = subprocess.run("setsid sh -c 'sleep 602 >/dev/null 2>&1 & echo $!'",
                                  shell=True, capture_output=True, text=True).stdout.strip()
            print(os.getpid(), plain.pid, far.pid, lost, os.getcwd())
        ''')
        print(result.text, flush=True)
        os.kill(os.getpid(), signal.SIGKILL)
asyncio.run(main())
"""
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, timeout=60
    )
    assert done.returncode == -9, done.stderr
    *pids, folder = done.stdout.split()
    gone = [Path(f"/proc/{pid}") for pid in pids] + [Path(folder).parent]
    assert len(gone) == 5
    assert wait_until_gone(gone, seconds=30)


def wait_until_gone(paths: list[Path], seconds: float) -> bool:
    """Return whether all paths disappear in time; that of a zombie process counts as gone."""
    deadline = time.monotonic() + seconds
    while any(path.exists() and not is_zombie(path) for path in paths):
        if time.monotonic() > deadline:
            return False
        time.sleep(0.05)
    return True


def is_zombie(path: Path) -> bool:
    try:
        return (path / "stat").read_text().rpartition(")")[2].split()[0] == "Z"
    except OSError:
        return False
