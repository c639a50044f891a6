"""A backend in a few dozen lines: each container is one gateway process."""

import asyncio
import json
import os
import sys
import tempfile

from ipybox import (
    Availability,
    Backend,
    Container,
    ContainerSpec,
    ContainerStartError,
    Endpoint,
    ExitStatus,
    Guarantees,
)


class ToyContainer(Container):
    def __init__(self, spec: ContainerSpec) -> None:
        self._spec = spec
        self._folder = tempfile.TemporaryDirectory(prefix="toy-")
        self._process: asyncio.subprocess.Process | None = None
        self._endpoint: Endpoint | None = None

    @property
    def id(self) -> str:
        return self._spec.name

    @property
    def endpoint(self) -> Endpoint | None:
        return self._endpoint

    @property
    def guarantees(self) -> Guarantees:
        return Guarantees(isolation="none")

    async def start(self) -> Endpoint:
        self._process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "ipybox_runtime",
            stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE,
            cwd=self._folder.name, env={**os.environ, **self._spec.env},
        )  # fmt: skip
        assert self._process.stdin is not None and self._process.stdout is not None
        config = {"token": self._spec.token}
        self._process.stdin.write(json.dumps(config).encode() + b"\n")
        async with asyncio.timeout(self._spec.start_timeout):
            async for line in self._process.stdout:
                event = json.loads(line)
                if event["event"] == "ready":
                    self._endpoint = Endpoint(
                        host="127.0.0.1", port=event["port"], token=self._spec.token
                    )
                    return self._endpoint
        raise ContainerStartError("the gateway ended")

    async def kill(self) -> None:
        self._endpoint = None
        if self._process is not None and self._process.stdin is not None:
            self._process.stdin.close()
            await self._process.wait()
        await asyncio.to_thread(self._folder.cleanup)

    async def wait(self) -> ExitStatus:
        assert self._process is not None
        return ExitStatus(code=await self._process.wait())

    async def logs(self, tail: int = 100) -> list[str]:
        return []


class ToyBackend(Backend):
    name = "toy"

    async def availability(self) -> Availability:
        return Availability(ready=True, version="0.3")

    async def create(self, spec: ContainerSpec) -> Container:
        return ToyContainer(spec)
