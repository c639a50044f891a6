"""Keep state between the executions of one client, separate from other clients."""

import asyncio

from ipybox import ExecutionClient, ExecutionContainer, ExecutionError


async def main() -> None:
    async with ExecutionContainer() as container:
        async with ExecutionClient(host="localhost", port=container.port) as client_1:
            # Execute code that defines variable x
            result = await client_1.execute("x = 1")
            assert result.text is None

            # Reference variable x defined in previous execution
            result = await client_1.execute("print(x)")
            assert result.text == "1"
            print(f"Client 1: x is {result.text}")

        async with ExecutionClient(host="localhost", port=container.port) as client_2:
            # Variable x is not defined in this client context
            try:
                await client_2.execute("print(x)")
            except ExecutionError as e:
                assert e.args[0] == "NameError: name 'x' is not defined"
                print(f"Client 2: {e.args[0]}")


if __name__ == "__main__":
    asyncio.run(main())
