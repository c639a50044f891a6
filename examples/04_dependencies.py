"""Install a package in a running container."""

import asyncio

from ipybox import ExecutionClient, ExecutionContainer


async def main() -> None:
    async with ExecutionContainer() as container:
        async with ExecutionClient(host="localhost", port=container.port) as client:
            # Install the einops package
            await client.execute("!pip install einops")
            # Use it in later executions of the same client
            result = await client.execute("""
                import einops
                print(einops.__version__)
            """)
            print(f"Output: {result.text}")


if __name__ == "__main__":
    asyncio.run(main())
