"""Receive output while the code is still running, and stop code that takes too long."""

import asyncio
import time

import ipybox

APPROXIMATE = """
import time

root = 1.0
for _ in range(5):
    root = (root + 2 / root) / 2
    print(f"{root:.12f}")
    time.sleep(1)
"""

HANG = """
print("waiting for a better one")
time.sleep(600)
"""


async def main() -> None:
    async with ipybox.session() as client:
        approximation = await client.submit(APPROXIMATE)
        submitted = time.monotonic()
        # One line arrives per second; the timeout is in seconds too
        async for line in approximation.stream(timeout=60):
            print(f"[{time.monotonic() - submitted:.1f} s] {line.rstrip()}", flush=True)

        # The result has the whole text, whether or not it was streamed
        result = await approximation.result()
        print("Approximations of √2:", len(result.stdout.splitlines()))

        try:
            await client.execute(HANG, timeout=2)
        except ipybox.ExecutionTimeoutError as error:
            print(f"Stopped after {error.text!r}, variables: {error.state}")
        print("Best so far:", (await client.execute("root")).text)


if __name__ == "__main__":
    asyncio.run(main())
