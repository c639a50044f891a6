"""Run code in a container of its own, and print what the code printed."""

import asyncio

import ipybox

GREET = """
greeting = ["Hello", "world"]
print(*greeting, sep=", ", end="!")
"""


async def main() -> None:
    # Leaving the block disconnects the client and removes the container
    async with ipybox.session() as client:
        result = await client.execute(GREET)
    print("Output:", result.text)


if __name__ == "__main__":
    asyncio.run(main())
