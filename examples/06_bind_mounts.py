"""Share folders of the host: the code reads from one and writes to the other."""

import asyncio
from pathlib import Path

import ipybox
from ipybox import Bind

POEM = """\
wind in the pines
rain in the gutter
and in the kettle, tea
"""

COUNT = """
import json
from pathlib import Path

poem = Path("poems/evening.txt").read_text()
counts = {"lines": len(poem.splitlines()), "words": len(poem.split())}
Path("statistics/evening.json").write_text(json.dumps(counts))
"""


async def main() -> None:
    # Container paths are below /app, the working directory of the code. Docker and Podman can
    # protect a folder from being changed: Bind(..., read_only=True)
    binds = [
        Bind(host_path=Path("verses"), container_path="poems"),
        Bind(host_path=Path("counted"), container_path="statistics"),
    ]
    Path("verses").mkdir(exist_ok=True)
    Path("verses/evening.txt").write_text(POEM)

    # The other folder does not exist yet: it is created when the container starts
    async with ipybox.session(binds=binds) as client:
        await client.execute(COUNT)
    print(Path("counted/evening.json").read_text())


if __name__ == "__main__":
    asyncio.run(main())
