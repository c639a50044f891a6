"""Write large output to a file, and receive output that arrives after the cell has finished."""

import asyncio
import tempfile

from ipybox import ExecutionClient, ExecutionContainer, OutputLimits

CODE = """
import threading, time

for i in range(100_000):
    print(i)

def later():
    time.sleep(0.2)
    print("from a thread that outlived the cell")

threading.Thread(target=later).start()
"""


async def main() -> None:
    limits = OutputLimits(text=100_000)  # bytes of UTF-8; 10 MiB by default
    async with ExecutionContainer() as container:
        async with ExecutionClient(port=container.port, limits=limits) as client:
            with tempfile.TemporaryDirectory() as folder:
                execution = await client.submit(CODE, spill=folder)
                result = await execution.result()
                print(f"Kept: {len(result.stdout)} bytes, cut: {result.truncated.text}")
                assert result.spilled is not None
                print(f"In the file: {len(result.spilled.read_text())} bytes")
                async for text in execution.stream_late(timeout=5):
                    print(f"Late: {text.rstrip()}")
                    break


if __name__ == "__main__":
    asyncio.run(main())
