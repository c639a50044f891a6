"""Runs in an environment with llm-sandbox 0.3.46: its cold start to the first result.

``python llm_sandbox_0_3_46.py IMAGE ROUNDS`` prints ``{"cold": [seconds, …]}``; one round
more comes before them, and is not counted. It is measured as it is fastest: without the
virtual environment that it makes in a new container, and the pip that it fetches there,
unless it is told not to; and without a terminal, which an engine can't always give.
"""

# mypy: ignore-errors
# What it imports is not installed beside this repository.

import json
import sys
import time

from llm_sandbox import SandboxSession

# An open standard input keeps Python running without a terminal. The signal makes the
# container's end short, which is not measured.
RUNTIME = {"tty": False, "stdin_open": True, "stop_signal": "SIGKILL"}


def cold(image: str) -> float:
    start = time.perf_counter()
    with SandboxSession(
        lang="python", image=image, keep_template=True, skip_environment_setup=True,
        runtime_configs=RUNTIME,
    ) as session:  # fmt: skip
        result = session.run("print('hi')")
        taken = time.perf_counter() - start
        assert result.stdout.strip() == "hi", result
    return taken


def main() -> None:
    image, rounds = sys.argv[1], int(sys.argv[2])
    times = [cold(image) for _ in range(1 + rounds)]
    print(json.dumps({"cold": times[1:]}))


if __name__ == "__main__":
    main()
