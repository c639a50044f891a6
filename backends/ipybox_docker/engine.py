"""The calls of a Docker engine."""

from __future__ import annotations

import asyncio
import json
import logging
import os
import time
from collections.abc import Mapping, Sequence
from typing import Any

from aiodocker.execs import Exec

from ipybox import BackendError
from ipybox.authoring import (
    CONTAINER_LABEL,
    Availability,
    ContainerInfo,
    ContainerSpec,
    Engine,
    ExitStatus,
    Inspection,
    Ref,
    Stats,
    Streams,
    Surroundings,
    exit_status,
    is_abandoned,
    read_inspection,
    run_user,
    until_gone,
)
from ipybox.errors import ContainerNotFoundError
from ipybox_docker.connection import Connection
from ipybox_docker.errors import engine_call
from ipybox_docker.streams import DockerStreams
from ipybox_docker.translate import create_payload

log = logging.getLogger(__name__)

REMOVE_SECONDS = 30.0
KILLED = 128 + 9
NO_LIMIT = 1 << 60


class DockerEngine(Engine):
    title = "Docker"

    def __init__(self, url: str | None) -> None:
        self.connection = Connection(url)

    @property
    def address(self) -> str:
        return self.connection.address

    async def availability(self) -> Availability:
        return await self.connection.availability()

    async def surroundings(self) -> Surroundings:
        return await self.connection.surroundings()

    async def aclose(self) -> None:
        await self.connection.aclose()

    async def payload(self, spec: ContainerSpec, around: Surroundings) -> dict[str, Any]:
        return create_payload(spec, around, run_user(spec, around, os.getuid(), os.getgid()))

    async def create(self, name: str, payload: Mapping[str, Any]) -> Ref:
        async with engine_call(f"create the container {name}"):
            created = await self.connection.docker._query_json(
                "containers/create", "POST", params={"name": name}, data=dict(payload)
            )
        for warning in created.get("Warnings") or ():
            log.warning("container %s: %s", name, warning)
        return Ref(created["Id"], name)

    async def attach(self, ref: Ref) -> Streams:
        stream = self._container(ref).attach(stdin=True, stdout=True, stderr=True)
        return await DockerStreams.open(stream, f"the container {ref}")

    async def start(self, ref: Ref) -> None:
        async with engine_call(f"start the container {ref}"):
            await self._container(ref).start()

    async def stop(self, ref: Ref, grace: float) -> None:
        async with engine_call(f"stop the container {ref}", grace + REMOVE_SECONDS):
            await self._container(ref).stop(t=round(grace))

    async def remove(self, ref: Ref) -> None:
        async def delete() -> None:
            async with engine_call(f"remove the container {ref}", REMOVE_SECONDS):
                await self._container(ref).delete(force=True, v=True)

        async def listed() -> bool:
            # From another index of the engine's than the one that finds a container.
            try:
                return bool(await self._containers(id=ref.id))
            except BackendError:  # it can't be asked: that it is gone was told
                return False

        await until_gone(delete, REMOVE_SECONDS, listed=listed)

    async def inspect(self, container: str) -> Inspection:
        async with engine_call(f"inspect the container {container}"):
            return read_inspection(
                await self.connection.docker.containers.container(container).show()
            )

    async def ending(self, ref: Ref, output_ended: asyncio.Event | None) -> ExitStatus:
        started = time.time()
        async with engine_call(f"wait for the container {ref}", None):
            result = await self._container(ref).wait(condition="next-exit")
        code = int(result["StatusCode"])
        oom = code == KILLED and await self._ran_out_of_memory(ref, started)
        return exit_status(code, out_of_memory=oom)

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
        """What the engine tells of those that fit, whatever their state."""
        wanted = json.dumps({name: [value] for name, value in filters.items()})
        async with engine_call("list its containers"):
            return await self.connection.docker._query_json(
                "containers/json", params={"all": "1", "filters": wanted}
            )

    async def logs(self, ref: Ref, tail: int) -> Sequence[str]:
        async with engine_call(f"tell the log of {ref}"):
            lines: list[str] = await self._container(ref).log(stdout=True, stderr=True, tail=tail)
        return lines

    async def stats(self, ref: Ref) -> Stats:
        async with engine_call(f"tell what {ref} uses"):
            found = await self.connection.docker._query_json(
                f"containers/{ref.id}/stats", params={"stream": "0", "one-shot": "1"}
            )
        return stats_of(found, ref.name)

    async def pause(self, ref: Ref) -> None:
        async with engine_call(f"pause the container {ref}"):
            await self._container(ref).pause()

    async def unpause(self, ref: Ref) -> None:
        async with engine_call(f"unpause the container {ref}"):
            await self._container(ref).unpause()

    async def exec_create(
        self, ref: Ref, argv: Sequence[str], *, stdin: bool, env: Sequence[str], workdir: str | None
    ) -> str:
        async with engine_call(f"run {argv[0]!r}"):
            created = await self._container(ref).exec(
                list(argv), stdin=stdin, environment=list(env), workdir=workdir
            )
        return str(created.id)

    async def exec_start(self, exec_id: str, what: str) -> Streams:
        return await DockerStreams.open(self._exec(exec_id).start(detach=False), what)

    async def exec_started(self, exec_id: str, what: str) -> bool:
        async with engine_call(f"tell whether {what} has started"):
            found = await self._exec(exec_id).inspect()
        return bool(found["Pid"]) or found["ExitCode"] is not None

    async def exec_code(self, exec_id: str, what: str) -> int | None:
        async with engine_call(f"tell how {what} ended"):
            found = await self._exec(exec_id).inspect()
        return None if found["Running"] else int(found["ExitCode"])

    async def _ran_out_of_memory(self, ref: Ref, since: float) -> bool:
        """The engine tells that with an event alone, where it has removed the container."""
        params = {
            "since": f"{since:.6f}",
            "until": f"{time.time():.6f}",
            "filters": json.dumps({"container": [ref.id], "event": ["oom"]}),
        }
        async with engine_call(f"tell why {ref} ended"):
            async with self.connection.docker._query("events", params=params) as response:
                return bool((await response.text()).strip())

    def _container(self, ref: Ref) -> Any:
        return self.connection.docker.containers.container(ref.id)

    def _exec(self, exec_id: str) -> Exec:
        return Exec(self.connection.docker, exec_id, tty=False)


def stats_of(found: Mapping[str, Any], name: str) -> Stats:
    """Raises ContainerNotFoundError for a container that does not run."""
    memory = found.get("memory_stats") or {}
    if "usage" not in memory:
        raise ContainerNotFoundError(f"The container {name} is not running.")
    details = memory.get("stats") or {}
    cache = details.get("total_inactive_file", details.get("inactive_file", 0))
    limit = memory.get("limit")
    return Stats(
        cpu_seconds=found["cpu_stats"]["cpu_usage"]["total_usage"] / 1e9,
        memory_bytes=max(0, memory["usage"] - cache),
        memory_limit_bytes=None if limit is None or limit > NO_LIMIT else limit,
        pids=(found.get("pids_stats") or {}).get("current"),
    )
