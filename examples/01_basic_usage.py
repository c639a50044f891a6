"""Run code in a container and print its output."""

import asyncio

from ipybox import ExecutionClient, ExecutionContainer


async def main() -> None:
    # Create and start a container for code execution
    async with ExecutionContainer(tag="gradion/ipybox") as container:
        # Create and connect to an IPython kernel
        async with ExecutionClient(host="localhost", port=container.port) as client:
            # Execute Python code and await the result
            result = await client.execute("print('Hello, world!')")
            # Print the execution output text
            print(f"Output: {result.text}")


if __name__ == "__main__":
    asyncio.run(main())
