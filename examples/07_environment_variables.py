"""Pass configuration and secrets into the container."""

import asyncio

from ipybox import ExecutionClient, ExecutionContainer

ENV = {"API_KEY": "secret-key-123", "DEBUG": "1"}

CODE = """
import os

api_key = os.environ['API_KEY']
print(f"Using API key: {api_key}")

debug = bool(int(os.environ.get('DEBUG', '0')))
if debug:
    print("Debug mode enabled")
"""


async def main() -> None:
    async with ExecutionContainer(env=ENV) as container:
        async with ExecutionClient(host="localhost", port=container.port) as client:
            result = await client.execute(CODE)
            print(result.text)


if __name__ == "__main__":
    asyncio.run(main())
