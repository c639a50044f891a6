"""Measure small executions of a stock kernel over ZMQ, without a gateway, in a container.

``python raw_zmq.py ROUNDS WARM_UP`` prints ``{"times": [seconds, …]}``, without the
first WARM_UP executions.
"""

import json
import subprocess
import sys
import time
from typing import Any

from jupyter_client.manager import KernelManager


def run(client: Any, code: str) -> None:
    """Execute code until both reply and idle status are read, like the contender on the host."""
    msg_id = client.execute(code, store_history=True, allow_stdin=False)
    while client.get_shell_msg(timeout=60)["parent_header"].get("msg_id") != msg_id:
        pass
    while True:
        message = client.get_iopub_msg(timeout=60)
        is_own = message["parent_header"].get("msg_id") == msg_id
        if is_own and message["content"].get("execution_state") == "idle":
            return


def main() -> None:
    rounds, warm_up = int(sys.argv[1]), int(sys.argv[2])
    manager = KernelManager()
    manager.start_kernel(stderr=subprocess.DEVNULL)  # the kernel warns about an open TCP port
    client = manager.blocking_client()
    client.start_channels()
    try:
        client.wait_for_ready(timeout=60)
        times = []
        for number in range(warm_up + rounds):
            start = time.perf_counter()
            run(client, f"x = {number}")
            times.append(time.perf_counter() - start)
    finally:
        client.stop_channels()
        manager.shutdown_kernel(now=True)
    print(json.dumps({"times": times[warm_up:]}))


if __name__ == "__main__":
    main()
