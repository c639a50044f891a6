"""Receive the figures that code draws as PIL images, and save them."""

import asyncio

import ipybox

DRAW = """
from collections import Counter
from itertools import product

import matplotlib.pyplot as plt

for dice in (2, 3):
    ways = Counter(sum(faces) for faces in product(range(1, 7), repeat=dice))
    plt.bar(ways.keys(), ways.values())
    plt.title(f"Ways to reach a sum with {dice} dice")
    plt.show()
    print(f"{dice} dice: {ways.total()} outcomes")
"""


async def main() -> None:
    async with ipybox.session() as client:
        # The default image contains matplotlib; the local backend installs it
        await client.execute("%pip install --quiet matplotlib", timeout=300)
        result = await client.execute(DRAW)

    # Images stay available after the container is gone, in the order in which they were shown
    print(result.stdout, end="")
    for dice, chart in enumerate(result.images, start=2):
        chart.save(f"dice-{dice}.png")
        print(f"dice-{dice}.png: {chart.width}×{chart.height}")


if __name__ == "__main__":
    asyncio.run(main())
