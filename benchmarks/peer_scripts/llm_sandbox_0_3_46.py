"""Measure the cold start of llm-sandbox 0.3.46 to its first result, in an environment that has it.

``python llm_sandbox_0_3_46.py IMAGE ROUNDS`` prints ``{"cold": [seconds, …]}``. One additional
warm-up round runs first and is not counted.

llm-sandbox is measured in its fastest configuration. By default it creates a virtual
environment in each new container and downloads pip into it; both are disabled here. So is the
terminal, which an engine can't always provide.
"""

# mypy: ignore-errors
# llm-sandbox is not installed in the environment of this repository.

import json
import sys
import time

from llm_sandbox import SandboxSession

# An open standard input keeps Python running without a terminal. The stop signal shortens the
# container's shutdown, which is not measured.
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
