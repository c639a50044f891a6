"""Build on earlier executions of the same client; another client sees nothing of them."""

import asyncio

from ipybox import ExecutionClient, ExecutionContainer, ExecutionError


async def main() -> None:
    # Two clients of one container: each has a kernel of its own
    async with (
        ExecutionContainer() as container,
        ExecutionClient(container.port) as planner,
        ExecutionClient(container.port) as guest,
    ):
        await planner.execute("route = ['Bern', 'Thun']")
        await planner.execute("route.append('Spiez')")
        trip = await planner.execute("print(*route, sep=' - ')")
        print("Planner:", trip.text)

        try:
            await guest.execute("print('looking for a route'); route.pop()")
        except ExecutionError as error:
            # The error carries what the code had printed before it
            print("Guest:", error.text)
            print("Guest:", error)

        # A restart replaces the planner's kernel by a new one
        await planner.restart()
        trip = await planner.execute("'route' in globals()")
        print("Planner has a route after a restart:", trip.text)


if __name__ == "__main__":
    asyncio.run(main())
