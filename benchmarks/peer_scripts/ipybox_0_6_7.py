"""Measure the cold start of ipybox 0.6.7 to its first result, in an environment that has it.

``python ipybox_0_6_7.py IMAGE ROUNDS`` prints ``{"cold": [seconds, …]}``. One additional
warm-up round runs first and is not counted.
"""

# mypy: ignore-errors
# This script imports ipybox 0.6.7, not the ipybox of this repository.

import asyncio
import json
import sys
import time

from ipybox import ExecutionClient, ExecutionContainer


async def cold(image: str) -> float:
    start = time.perf_counter()
    async with ExecutionContainer(tag=image) as container:
        async with ExecutionClient(port=container.executor_port) as client:
            result = await client.execute("print('hi')")
            taken = time.perf_counter() - start
            assert result.text == "hi", result.text
    return taken


async def main() -> None:
    image, rounds = sys.argv[1], int(sys.argv[2])
    times = [await cold(image) for _ in range(1 + rounds)]
    print(json.dumps({"cold": times[1:]}))


if __name__ == "__main__":
    asyncio.run(main())
