"""A Docker engine, over its HTTP API."""

from __future__ import annotations

import asyncio
import json
import logging
import math
import os
import time
from collections.abc import Mapping, Sequence
from typing import Any

from aiodocker.containers import DockerContainer
from aiodocker.execs import Exec

from ipybox import BackendError
from ipybox.authoring import (
    CONTAINER_LABEL,
    Availability,
    ContainerInfo,
    ContainerSpec,
    ExitStatus,
    Stats,
    is_abandoned,
)
from ipybox.engine import (
    CALL_TIMEOUT,
    REMOVE_TIMEOUT,
    Engine,
    Inspection,
    Placement,
    Ref,
    Streams,
    container_user,
    exit_status,
    memory_limit,
    parse_inspection,
    remove_until_gone,
)
from ipybox.errors import ContainerNotFoundError
from ipybox_docker.connection import TITLE, Connection
from ipybox_docker.errors import engine_call
from ipybox_docker.images import DockerImages
from ipybox_docker.placement import find_placement
from ipybox_docker.raw import raw_json, raw_text
from ipybox_docker.streams import DockerStreams
from ipybox_docker.translate import create_payload

log = logging.getLogger(__name__)

KILLED = 128 + 9
"""Docker's exit code of a container that SIGKILL has killed."""


class DockerEngine(Engine):
    """A client of a Docker engine.

    Args:
        url: Address of the engine; None for DOCKER_HOST, else the Docker context, else the usual
            sockets.
    """

    title = TITLE

    def __init__(self, url: str | None) -> None:
        self.connection = Connection(url)
        self.images = DockerImages(self.connection)

    @property
    def address(self) -> str:
        return self.connection.address

    async def availability(self) -> Availability:
        return await self.connection.availability()

    async def find_placement(self) -> Placement:
        return await find_placement(self.connection)

    async def aclose(self) -> None:
        await self.connection.aclose()

    async def create(self, spec: ContainerSpec) -> Ref:
        placement = await self.placement()
        user = container_user(spec, placement, os.getuid(), os.getgid())
        return await self.create_from(spec.name, create_payload(spec, placement, user))

    async def create_from(self, name: str, payload: Mapping[str, Any]) -> Ref:
        """Create a container.

        Args:
            name: The container's name.
            payload: The body of the request, as :func:`create_payload` makes it.
        """
        async with engine_call(f"create the container {name}", CALL_TIMEOUT):
            created = await raw_json(
                self.connection.docker, "containers/create", "POST",
                params={"name": name}, data=payload,
            )  # fmt: skip
        for warning in created.get("Warnings") or ():
            log.warning("container %s: %s", name, warning)
        return Ref(created["Id"], name)

    async def attach(self, ref: Ref) -> Streams:
        stream = self._container(ref).attach(stdin=True, stdout=True, stderr=True)
        return await DockerStreams.open(stream, f"the container {ref}")

    async def start(self, ref: Ref) -> None:
        async with engine_call(f"start the container {ref}", CALL_TIMEOUT):
            await self._container(ref).start()

    async def stop(self, ref: Ref, grace: float) -> None:
        async with engine_call(f"stop the container {ref}", grace + REMOVE_TIMEOUT):
            await self._container(ref).stop(t=round(grace))

    async def remove(self, ref: Ref) -> None:
        async def delete() -> None:
            async with engine_call(f"remove the container {ref}", REMOVE_TIMEOUT):
                await self._container(ref).delete(force=True, v=True)

        async def is_listed() -> bool:
            # The engine's list comes from another index than the one that finds a container.
            try:
                return bool(await self._containers(id=ref.id))
            except BackendError:  # fall back to what the removal returned
                return False

        await remove_until_gone(delete, REMOVE_TIMEOUT, is_listed=is_listed)

    async def inspect(self, container: str) -> Inspection:
        async with engine_call(f"inspect the container {container}", CALL_TIMEOUT):
            return parse_inspection(
                await self.connection.docker.containers.container(container).show()
            )

    async def wait_for_exit(self, ref: Ref, output_ended: asyncio.Event | None) -> ExitStatus:
        asked = time.time()
        async with engine_call(f"wait for the container {ref}", math.inf):
            result = await self._container(ref).wait(condition="next-exit")
        code = int(result["StatusCode"])
        out_of_memory = code == KILLED and await self._ran_out_of_memory(ref, asked)
        return exit_status(code, out_of_memory=out_of_memory)

    async def list(self) -> Sequence[ContainerInfo]:
        found = await self._containers(label=CONTAINER_LABEL)
        return [
            ContainerInfo(
                id=item["Id"],
                name=str(item["Names"][0]).lstrip("/") if item["Names"] else item["Id"][:12],
                state=item["State"],
                image=item["Image"],
                created=float(item["Created"]),
                labels=item["Labels"],
                abandoned=is_abandoned(item["Labels"]),
            )
            for item in found
        ]

    async def _containers(self, **filters: str) -> Any:
        """Return the containers that the filters match, in any state, as the engine lists them."""
        wanted = json.dumps({name: [value] for name, value in filters.items()})
        params = {"all": "1", "filters": wanted}
        async with engine_call("list its containers", CALL_TIMEOUT):
            return await raw_json(self.connection.docker, "containers/json", params=params)

    async def logs(self, ref: Ref, tail: int) -> Sequence[str]:
        async with engine_call(f"return the log of the container {ref}", CALL_TIMEOUT):
            return await self._container(ref).log(stdout=True, stderr=True, tail=tail)

    async def stats(self, ref: Ref) -> Stats:
        path, params = f"containers/{ref.id}/stats", {"stream": "0", "one-shot": "1"}
        async with engine_call(f"measure the container {ref}", CALL_TIMEOUT):
            found = await raw_json(self.connection.docker, path, params=params)
        return stats_of(found, ref.name)

    async def pause(self, ref: Ref) -> None:
        async with engine_call(f"pause the container {ref}", CALL_TIMEOUT):
            await self._container(ref).pause()

    async def unpause(self, ref: Ref) -> None:
        async with engine_call(f"unpause the container {ref}", CALL_TIMEOUT):
            await self._container(ref).unpause()

    async def exec_create(
        self, ref: Ref, argv: Sequence[str], *, stdin: bool, env: Sequence[str], workdir: str | None
    ) -> str:
        async with engine_call(f"run {argv[0]!r}", CALL_TIMEOUT):
            created = await self._container(ref).exec(
                list(argv), stdin=stdin, environment=list(env), workdir=workdir
            )
        return str(created.id)

    async def exec_start(self, exec_id: str, what: str) -> Streams:
        return await DockerStreams.open(self._exec(exec_id).start(detach=False), what)

    async def exec_started(self, exec_id: str, what: str) -> bool:
        async with engine_call(f"report whether {what} has started", CALL_TIMEOUT):
            found = await self._exec(exec_id).inspect()
        return bool(found["Pid"]) or found["ExitCode"] is not None

    async def exec_code(self, exec_id: str, what: str) -> int | None:
        async with engine_call(f"report the exit code of {what}", CALL_TIMEOUT):
            found = await self._exec(exec_id).inspect()
        return None if found["Running"] else int(found["ExitCode"])

    async def _ran_out_of_memory(self, ref: Ref, since: float) -> bool:
        """Ask the engine's events: if the container is removed already, only they show it."""
        params = {
            "since": f"{since:.6f}",
            "until": f"{time.time():.6f}",
            "filters": json.dumps({"container": [ref.id], "event": ["oom"]}),
        }
        async with engine_call(f"report why the container {ref} exited", CALL_TIMEOUT):
            return bool((await raw_text(self.connection.docker, "events", params=params)).strip())

    def _container(self, ref: Ref) -> DockerContainer:
        return self.connection.docker.containers.container(ref.id)

    def _exec(self, exec_id: str) -> Exec:
        return Exec(self.connection.docker, exec_id, tty=False)


def stats_of(found: Mapping[str, Any], name: str) -> Stats:
    """Return the usage of a container from the JSON of ``GET /containers/{id}/stats``.

    Args:
        found: The JSON.
        name: The container's name, for error messages.

    Raises:
        ContainerNotFoundError: If the container does not run.
    """
    memory = found.get("memory_stats") or {}
    if "usage" not in memory:
        raise ContainerNotFoundError(f"The container {name} is not running. Start another one.")
    details = memory.get("stats") or {}
    # Control groups of version 1 and of version 2.
    cache = details.get("total_inactive_file", details.get("inactive_file", 0))
    return Stats(
        cpu_seconds=found["cpu_stats"]["cpu_usage"]["total_usage"] / 1e9,
        memory_bytes=max(0, memory["usage"] - cache),
        memory_limit_bytes=memory_limit(memory.get("limit")),
        pids=(found.get("pids_stats") or {}).get("current"),
    )
