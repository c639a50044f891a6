"""A backend in a few dozen lines: each container is one gateway process."""

import asyncio
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

from ipybox import ContainerStartError, Guarantees
from ipybox.authoring import (
    Availability,
    Backend,
    Container,
    ContainerSpec,
    Endpoint,
    ExitStatus,
    start_failed,
)
from ipybox.errors import NameTakenError

GRACE_SECONDS = 5.0
JANITOR = 'cat; exec rm -rf "$0"'  # waits until its input is closed


class ToyContainer(Container):
    def __init__(self, spec: ContainerSpec) -> None:
        self._spec = spec
        self._folder = Path(tempfile.gettempdir(), f"toy-{spec.name}")
        self._log = self._folder / "log"
        self._killed = False
        self._alive = -1  # write end of the janitor's input; the gateway inherits it
        self._janitor: subprocess.Popen[bytes] | None = None
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
        return Guarantees(isolation="none")  # so nothing is enforced

    async def start(self) -> Endpoint:
        try:
            async with asyncio.timeout(self._spec.start_timeout):
                port = await self._start()
        except TimeoutError as error:
            raise await self._failed("it took longer than start_timeout") from error
        if self._killed:
            raise await self._failed("it was killed")
        self._endpoint = Endpoint(host="127.0.0.1", port=port, token=self._spec.token)
        return self._endpoint

    async def _start(self) -> int:
        """Return the gateway's port once the gateway answers."""
        if self._killed:
            raise await self._failed("it was killed")
        try:
            self._folder.mkdir(mode=0o700)  # creating the folder claims the name
        except FileExistsError:
            raise NameTakenError(f"Another container is named {self.id}.") from None
        reader, self._alive = os.pipe()
        with open(reader) as stdin:
            self._janitor = subprocess.Popen(
                ["sh", "-c", JANITOR, self._folder], stdin=stdin, start_new_session=True
            )
        app, packages = self._folder / "app", self._folder / "packages"
        app.mkdir()
        packages.mkdir()
        # The code must not see this process's environment, which may hold secrets: it gets
        # what programs need. pip installs into the container's folder, where Python finds it.
        env = {"PATH": f"{packages}/bin:{os.environ['PATH']}", "HOME": str(self._folder),
               "TMPDIR": str(self._folder), "PIP_TARGET": str(packages),
               "PYTHONPATH": str(packages)}  # fmt: skip
        with self._log.open("wb") as log:
            self._process = process = await asyncio.create_subprocess_exec(
                sys.executable, "-m", "ipybox_runtime",
                stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE, stderr=log,
                cwd=app, env={**env, **self._spec.env}, pass_fds=[self._alive],
            )  # fmt: skip
        if self._killed:
            await self.kill()  # the earlier call found no process to stop
        assert process.stdin is not None and process.stdout is not None
        process.stdin.write(json.dumps({"token": self._spec.token}).encode() + b"\n")
        async for line in process.stdout:
            event = json.loads(line)
            if event["event"] == "ready":
                return int(event["port"])
            if event["event"] == "failed":
                raise await self._failed(event["reason"])
        raise await self._failed("its gateway exited")

    async def kill(self) -> None:
        self._killed, self._endpoint = True, None
        if self._process is not None and self._process.stdin is not None:
            self._process.stdin.close()  # the runtime exits when its input is closed
            try:
                async with asyncio.timeout(GRACE_SECONDS):
                    await self._process.wait()
            except TimeoutError:
                self._process.kill()
                await self._process.wait()
        if self._alive >= 0:
            os.close(self._alive)
            self._alive = -1
        if self._janitor is not None:
            await asyncio.to_thread(self._janitor.wait)

    async def wait(self) -> ExitStatus:
        if self._process is None:
            return ExitStatus(code=None, reason="never started")
        code = await self._process.wait()
        if self._killed:
            return ExitStatus(code=0, reason="stopped by its owner")
        return ExitStatus(code=code, reason="exited by itself")

    async def logs(self, tail: int = 100) -> list[str]:
        try:
            lines = self._log.read_text(errors="replace").splitlines()
        except OSError:  # not started, or removed
            return []
        return lines[-tail:] if tail else []

    async def _failed(self, reason: str) -> ContainerStartError:
        return start_failed(self.id, reason, await self.logs(tail=20))


class ToyBackend(Backend):
    name = "toy"

    async def availability(self) -> Availability:
        return Availability(ready=True, version="0.3")

    async def create(self, spec: ContainerSpec) -> Container:
        return ToyContainer(spec)
