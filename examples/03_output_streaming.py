"""Stream output while the code runs."""

import asyncio
import time

from ipybox import ExecutionClient, ExecutionContainer

CODE = """
import time
for i in range(5):
    print(f"Processing step {i}")
    time.sleep(1)
"""


async def main() -> None:
    async with ExecutionContainer() as container:
        async with ExecutionClient(host="localhost", port=container.port) as client:
            # Submit the execution and stream the output
            execution = await client.submit(CODE)
            start = time.monotonic()
            async for chunk in execution.stream():
                # Print each chunk as it arrives, one per second
                seconds = time.monotonic() - start
                print(f"[{seconds:.1f} s] Received output: {chunk.rstrip()}", flush=True)

            # Get the aggregated result
            result = await execution.result()
            print(f"Aggregated output:\n{result.text}")


if __name__ == "__main__":
    asyncio.run(main())
