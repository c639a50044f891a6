"""Let code in the container read from and write to folders on the host."""

import asyncio
from pathlib import Path

from ipybox import ExecutionClient, ExecutionContainer

BINDS = {
    "./data": "data",  # Read data from host
    "./output": "output",  # Write results to host
}

CODE = """
with open('data/input.txt') as f:
    data = f.read()

# Process data...
processed = data.upper()

# Write to mounted output directory
with open('output/result.txt', 'w') as f:
    f.write(processed)
"""


async def main() -> None:
    async with ExecutionContainer(binds=BINDS) as container:
        # Both host folders exist now. Create a data file in one of them
        Path("data/input.txt").write_text("hello world")
        async with ExecutionClient(host="localhost", port=container.port) as client:
            await client.execute(CODE)

    # The result file is on the host
    print(Path("output/result.txt").read_text())


if __name__ == "__main__":
    asyncio.run(main())
