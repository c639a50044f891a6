"""Install a package into a running container, and use it there."""

import asyncio

import ipybox

LIST_PEAKS = """
from tabulate import tabulate

peaks = {"Säntis": 2502, "Eiger": 3967, "Dom": 4546}
print(tabulate(peaks.items(), headers=("peak", "metres")))
"""


async def main() -> None:
    async with ipybox.session() as client:
        # Allow more than the default 120 s: the network may be slow
        pip = await client.execute("%pip install --quiet tabulate", timeout=300)
        try:
            table = await client.execute(LIST_PEAKS)
        except ipybox.ExecutionError as error:
            # A failed installation does not raise, but the import does. pip's text says why
            print(f"{error}\n{pip.text}")
            raise
        print(table.text)


if __name__ == "__main__":
    asyncio.run(main())
