"""A local container: a supervisor process and its descendants."""

from __future__ import annotations

import asyncio
import importlib.util
import json
import logging
import os
import site
import sys
from collections import deque
from pathlib import Path
from typing import Any

from ipybox import Guarantees
from ipybox.authoring import (
    CONCERNS,
    LOOPBACK,
    Container,
    ContainerSpec,
    Endpoint,
    ExitStatus,
    check_port_free,
    port_taken,
    start_failed,
)
from ipybox.errors import NameTakenError
from ipybox_local import workspace
from ipybox_local.translate import supervisor_config

SUPERVISOR = Path(__file__).with_name("supervisor.py")
TEARDOWN_TIMEOUT = 40.0  # a little longer than the supervisor's own limit
LOG_TAIL_BYTES = 256 * 1024
SIGNAL_EXIT_BASE = 128  # the supervisor exits with this plus the signal's number, as a shell does

log = logging.getLogger(__name__)


class LocalContainer(Container):
    """A container of the local backend; it lives while the pipe to its supervisor is open."""

    def __init__(self, spec: ContainerSpec, root: Path) -> None:
        """Start nothing yet.

        Args:
            spec: What was asked for.
            root: The container's private folder. The supervisor creates it.
        """
        self._spec = spec
        self._root = root
        self._process: asyncio.subprocess.Process | None = None
        self._endpoint: Endpoint | None = None
        self._killed = False
        self._owns_root = True

    @property
    def id(self) -> str:
        return self._spec.name

    @property
    def endpoint(self) -> Endpoint | None:
        return self._endpoint

    @property
    def guarantees(self) -> Guarantees:
        return Guarantees(isolation="none", details=dict.fromkeys(CONCERNS, "none"))

    async def start(self) -> Endpoint:
        if self._spec.port is not None:
            check_port_free(self._spec.port)
        try:
            async with asyncio.timeout(self._spec.start_timeout):
                await self._spawn()
                port = await self._port_when_ready()
        except TimeoutError as error:
            reason = f"it was not ready within {self._spec.start_timeout} s (start_timeout)"
            raise start_failed(self.id, reason, await self.logs(tail=20)) from error
        self._check_not_killed()
        self._endpoint = Endpoint(host=LOOPBACK, port=port, token=self._spec.token)
        return self._endpoint

    async def kill(self) -> None:
        self._endpoint = None
        self._killed = True
        process = self._process
        if process is None:
            return
        if process.stdin is not None:
            process.stdin.close()  # makes the supervisor kill everything and exit
        try:
            async with asyncio.timeout(TEARDOWN_TIMEOUT):
                await process.wait()
        except TimeoutError:
            process.kill()
            await process.wait()
        # A supervisor that was killed has left the folder behind.
        if self._owns_root:
            await asyncio.to_thread(_remove, self._root)

    async def wait(self) -> ExitStatus:
        if self._process is None:
            return ExitStatus(code=None, reason="never started")
        code = await self._process.wait()
        if code > SIGNAL_EXIT_BASE:
            code = SIGNAL_EXIT_BASE - code
        return ExitStatus(code=code, reason="ended" if code == 0 else "failed")

    async def logs(self, tail: int = 100) -> list[str]:
        return await asyncio.to_thread(_last_lines, self._root / "log", tail)

    def _check_not_killed(self) -> None:
        if self._killed:
            raise start_failed(self.id, "it was killed", [])

    async def _spawn(self) -> None:
        self._check_not_killed()
        config = await asyncio.to_thread(
            supervisor_config,
            self._spec,
            self._root,
            import_paths=_import_paths(),
            host_env=dict(os.environ),
            host_home=Path.home(),
        )
        # The supervisor inherits stderr: it prints only what is a bug in the supervisor itself.
        self._process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-I",
            "-S",
            str(SUPERVISOR),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            start_new_session=True,
            cwd="/",
        )
        assert self._process.stdin is not None
        if self._killed:  # kill() was called before there was a process to stop
            await self.kill()
            self._check_not_killed()
        self._process.stdin.write(json.dumps(config).encode() + b"\n")

    async def _port_when_ready(self) -> int:
        try:
            async with asyncio.timeout(self._spec.port_timeout):
                await self._event("bound")
        except TimeoutError as error:
            reason = f"it had no port within {self._spec.port_timeout} s (port_allocation_timeout)"
            raise start_failed(self.id, reason, await self.logs(tail=20)) from error
        ready = await self._event("ready")
        return int(ready["port"])

    async def _event(self, name: str) -> dict[str, Any]:
        """Return the supervisor's next event, which must have this name.

        Args:
            name: The name of the expected event.

        Raises:
            NameTakenError: If a folder with the container's name exists already.
            PortTakenError: If another process listens on the requested port.
            ContainerStartError: If the gateway failed or exited instead.
        """
        assert self._process is not None and self._process.stdout is not None
        line = await self._process.stdout.readline()
        event: dict[str, Any] = json.loads(line) if line.endswith(b"\n") else {}
        if event.get("event") == name:
            return event
        if event.get("event") == "taken":
            self._owns_root = False  # it belongs to the other container
            raise NameTakenError(
                f"The container name {self.id!r} is taken: the folder {self._root} exists already. "
                "Choose another name."
            )
        reason = event.get("reason") or f"it exited with code {event.get('code')}"
        if self._spec.port is not None and "in use" in reason:
            raise port_taken(self._spec.port)
        raise start_failed(self.id, reason, event.get("log") or await self.logs(tail=20))


def _remove(root: Path) -> None:
    try:
        workspace.remove(root)
    except OSError as error:
        log.warning("could not clean up after a container: %s", error)


def _import_paths() -> list[str]:
    """Return the folders from which kernels import this process's packages and the runtime."""
    spec = importlib.util.find_spec("ipybox_runtime")
    assert spec is not None and spec.origin is not None
    paths = [*site.getsitepackages(), str(Path(spec.origin).parent.parent)]
    if site.ENABLE_USER_SITE:
        paths.append(site.getusersitepackages())
    return [path for path in dict.fromkeys(paths) if os.path.isdir(path)]


def _last_lines(path: Path, tail: int) -> list[str]:
    try:
        with path.open("rb") as log:
            log.seek(max(0, path.stat().st_size - LOG_TAIL_BYTES))
            return list(deque(log.read().decode(errors="replace").splitlines(), maxlen=tail))
    except OSError:
        return []
