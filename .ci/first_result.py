"""Start a container on Podman and run code in it.

Prints the result and the number of this user's containers, or the error; then the number of
containers that are left.
"""

import asyncio
import sys

from ipybox import ExecutionClient, ExecutionContainer, IpyboxError
from ipybox.plugins.selection import load_backend


async def main(seconds: float) -> None:
    async with load_backend("podman") as backend:
        try:
            async with ExecutionContainer(tag="ipybox/minimal", backend=backend) as container:
                async with ExecutionClient(container.port) as client:
                    code = f"import time; time.sleep({seconds}); print(6 * 7)"
                    result = await client.execute(code)
                    print(f"{result.text}, containers: {len(await backend.list())}")
        except IpyboxError as error:
            print(f"{type(error).__name__}: {error}")
        print(f"left: {len(await backend.list())}")


asyncio.run(main(float(sys.argv[1]) if len(sys.argv) > 1 else 0.0))
