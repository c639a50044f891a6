"""Receive plots as PIL images."""

import asyncio

from ipybox import ExecutionClient, ExecutionContainer

CODE = """
!pip install matplotlib

import matplotlib.pyplot as plt
import numpy as np

x = np.linspace(0, 10, 100)
plt.figure(figsize=(8, 6))
plt.plot(x, np.sin(x))
plt.title('Sine Wave')
plt.show()

print("Plot generation complete!")
"""


async def main() -> None:
    async with ExecutionContainer() as container:
        async with ExecutionClient(host="localhost", port=container.port) as client:
            execution = await client.submit(CODE)

            # Stream the output text as it is generated
            async for chunk in execution.stream():
                print(chunk, end="", flush=True)

            # Get the execution result and save the image in it
            result = await execution.result()
            result.images[0].save("output.png")
            print(f"Saved output.png: {result.images[0].width}×{result.images[0].height}")


if __name__ == "__main__":
    asyncio.run(main())
