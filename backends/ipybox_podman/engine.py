"""The calls of a Podman engine."""

from __future__ import annotations

import asyncio
import dataclasses
import json
import logging
import os
import sys
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from datetime import datetime
from typing import Any
from urllib.parse import quote

from ipybox import BackendError
from ipybox.authoring import (
    CONTAINER_LABEL,
    LOOPBACK,
    Availability,
    Capability,
    ContainerInfo,
    ContainerSpec,
    Engine,
    ExitStatus,
    Inspection,
    Ref,
    Stats,
    Streams,
    Surroundings,
    check_port_free,
    exit_status,
    is_abandoned,
    read_inspection,
    run_user,
    until_gone,
    usage_inside,
)
from ipybox.errors import ContainerNotFoundError, UnsupportedError
from ipybox_podman.connection import Connection
from ipybox_podman.host import has_user_cgroups
from ipybox_podman.limits import own_ceilings
from ipybox_podman.streams import frames
from ipybox_podman.translate import create_payload, user_mapping, wants_mapping

log = logging.getLogger(__name__)

REMOVE_SECONDS = 30.0
AWAY_SECONDS = 5.0
AGAIN_SECONDS = 0.01
SETTLE_SECONDS = 1.0
MAPPING_SECONDS = 600.0
EVENTS_SECONDS = 30.0
NO_LIMIT = 1 << 60
STREAMS = {"stdin": "true", "stdout": "true", "stderr": "true", "stream": "true", "logs": "false"}
LIMITS_REMEDY = (
    "an ordinary user's limits need cgroup v2 and controllers that are delegated "
    "(Delegate=cpu cpuset io memory pids for user@.service; `ipybox doctor` tells what is missing)"
)


class PodmanEngine(Engine):
    title = "Podman"

    def __init__(self, url: str | None) -> None:
        self.connection = Connection(url)
        ordinary = os.getuid() != 0 and sys.platform == "linux" and self.connection.on_this_host
        if ordinary and not has_user_cgroups():
            self.lacks = frozenset({Capability.PAUSE})

    @property
    def address(self) -> str:
        return self.connection.address

    async def availability(self) -> Availability:
        return await self.connection.availability()

    async def surroundings(self) -> Surroundings:
        around = await self.connection.surroundings()
        self.limits_remedy = LIMITS_REMEDY if around.rootless else ""
        return around

    async def aclose(self) -> None:
        await self.connection.aclose()

    async def payload(self, spec: ContainerSpec, around: Surroundings) -> dict[str, Any]:
        mapping = await self.mapping(spec, around)
        user = spec.user if mapping else run_user(spec, around, os.getuid(), os.getgid())
        beside_root = around.local and not around.rootless and os.getuid() == 0
        return create_payload(
            spec, around, user=user, mapping=mapping,
            ceilings=own_ceilings() if beside_root else {},
        )  # fmt: skip

    async def mapping(self, spec: ContainerSpec, around: Surroundings) -> str | None:
        """Of users, between the container and the engine's host."""
        if not wants_mapping(spec, around):
            return None
        user = spec.user
        if user is None:
            found = await self.connection.call_json(
                f"look for the image {spec.tag}", "get", f"/images/{quote(spec.tag, safe='')}/json"
            )
            user = str(found["Config"].get("User") or "")
        return user_mapping(user)

    async def create(self, name: str, payload: Mapping[str, Any]) -> Ref:
        for published in payload.get("portmappings", ()):
            # A second container that asks for a port takes it from the first, in some Podmans.
            if (published["host_ip"], published["protocol"]) == (LOOPBACK, "tcp"):
                check_port_free(published["host_port"])
        # A mapping of users that is new to the image makes a copy of its layers.
        seconds = MAPPING_SECONDS if "userns" in payload else REMOVE_SECONDS
        created = await self.connection.call_json(
            f"create the container {name}", "post", "/containers/create",
            payload=payload, seconds=seconds,
        )  # fmt: skip
        for warning in created.get("Warnings") or ():
            # What was not taken shows in the container's guarantees.
            log.info("container %s: %s", name, warning)
        ref = Ref(created["Id"], name)
        if wanted := payload.get("oci_runtime"):
            await self._check_runtime(ref, str(wanted))
        return ref

    async def _check_runtime(self, ref: Ref, wanted: str) -> None:
        """An older Podman takes no notice of a runtime that is asked for."""
        found = await self.connection.call_json(
            f"inspect the container {ref}", "get", _path(ref.id, "json")
        )
        if found["OCIRuntime"] not in (wanted, os.path.basename(wanted)):
            await self.remove(ref)
            raise UnsupportedError(
                f"This Podman makes containers with {found['OCIRuntime']!r}, and not with "
                f"{wanted!r} as asked for. Set runtime={wanted!r} in its containers.conf, or "
                "leave runtime out."
            )

    async def attach(self, ref: Ref) -> Streams:
        return await self.connection.streams(
            f"attach to the container {ref}", _path(ref.id, "attach"), params=STREAMS
        )

    async def start(self, ref: Ref) -> None:
        await self._post(ref, "start", f"start the container {ref}")

    async def stop(self, ref: Ref, grace: float) -> None:
        if (await self.inspect(ref.id)).status == "paused":  # Podman refuses to stop that
            await self.unpause(ref)
        await self.connection.call(
            f"stop the container {ref}", "post", _path(ref.id, "stop"),
            params={"timeout": round(grace)}, seconds=grace + REMOVE_SECONDS,
        )  # fmt: skip

    async def remove(self, ref: Ref) -> None:
        async def delete() -> None:
            await self.connection.call(
                f"remove the container {ref}", "delete", _path(ref.id),
                params={"force": "true", "v": "true", "timeout": 0}, seconds=REMOVE_SECONDS,
            )  # fmt: skip

        # Containers run on without the service; another one is started, or has to be found.
        await until_gone(delete, REMOVE_SECONDS, engine_is_back_in=AWAY_SECONDS)

    async def inspect(self, container: str) -> Inspection:
        found = await self.connection.call_json(
            f"inspect the container {container}", "get", _path(container, "json")
        )
        inspection = read_inspection(found)
        # Podman does not count one that is paused.
        paused = bool(found["State"].get("Paused"))
        return dataclasses.replace(inspection, running=True) if paused else inspection

    async def ending(self, ref: Ref, output_ended: asyncio.Event | None) -> ExitStatus:
        started = time.time()
        while True:
            if output_ended is not None:
                await output_ended.wait()
                output_ended = None  # it may have been the end of the connection alone
            else:
                await self._wait(ref)
            deadline = time.monotonic() + SETTLE_SECONDS
            while time.monotonic() < deadline:
                # Often: it will be removed soon, and with it what is known of its end.
                try:
                    found = await self.inspect(ref.id)
                except ContainerNotFoundError:
                    return exit_status(await self._code_from_events(ref, started))
                if found.ended:
                    return exit_status(found.exit_code, out_of_memory=found.out_of_memory)
                await asyncio.sleep(AGAIN_SECONDS)

    async def _wait(self, ref: Ref) -> None:
        """Podman looks four times a second. Its output would tell at once; but conmon (2.1.6)
        may crash when the container prints just as somebody who is attached leaves."""
        try:
            await self.connection.answered(f"wait for {ref}", _path(ref.id, "wait"))
        except ContainerNotFoundError:
            return

    async def list(self) -> Sequence[ContainerInfo]:
        found = await self.connection.call_json(
            "list its containers", "get", "/containers/json",
            params={"all": "true", "filters": json.dumps({"label": [CONTAINER_LABEL]})},
        )  # fmt: skip
        return [
            ContainerInfo(
                id=item["Id"],
                name=str(item["Names"][0]) if item["Names"] else item["Id"][:12],
                state=item["State"],
                image=item["Image"],
                created=datetime.fromisoformat(item["Created"]).timestamp(),
                labels=item["Labels"],
                abandoned=is_abandoned(item["Labels"]),
            )
            for item in found or ()
        ]

    async def logs(self, ref: Ref, tail: int) -> Sequence[str]:
        content = await self.connection.call(
            f"tell the log of {ref}", "get", _path(ref.id, "logs"),
            params={"stdout": "true", "stderr": "true", "tail": tail},
        )  # fmt: skip
        return [data.decode(errors="replace") for _, data in frames(content)]

    async def stats(self, ref: Ref) -> Stats:
        """Of the control group; where an ordinary user has none, as the container's own
        processes tell."""
        what = f"tell what {ref} uses"
        params = {"containers": ref.id, "stream": "false"}
        try:
            found = await self.connection.call_json(what, "get", "/containers/stats", params=params)
        except BackendError as error:
            if "cgroup" not in str(error):
                raise
            return await usage_inside(self, ref)
        if found.get("Error") or not found.get("Stats"):
            raise ContainerNotFoundError(
                f"The Podman engine could not {what}: {found.get('Error')}"
            )
        if found["Stats"][0]["PIDs"] == 0:  # it is in no group of its own
            return await usage_inside(self, ref)
        return stats_of(found["Stats"][0])

    async def pause(self, ref: Ref) -> None:
        await self._post(ref, "pause", f"pause the container {ref}")

    async def unpause(self, ref: Ref) -> None:
        await self._post(ref, "unpause", f"unpause the container {ref}")

    async def exec_create(
        self, ref: Ref, argv: Sequence[str], *, stdin: bool, env: Sequence[str], workdir: str | None
    ) -> str:
        payload: dict[str, Any] = {
            "Cmd": list(argv),
            "Env": list(env),
            "AttachStdin": stdin,
            "AttachStdout": True,
            "AttachStderr": True,
        }
        if workdir is not None:
            payload["WorkingDir"] = workdir
        created = await self.connection.call_json(
            f"run {argv[0]!r}", "post", _path(ref.id, "exec"), payload=payload
        )
        return str(created["Id"])

    async def exec_start(self, exec_id: str, what: str) -> Streams:
        return await self.connection.streams(
            f"run {what}", f"/exec/{exec_id}/start", payload={"Detach": False, "Tty": False}
        )

    async def exec_started(self, exec_id: str, what: str) -> bool:
        found = await self.connection.call_json(
            f"tell whether {what} has started", "get", f"/exec/{exec_id}/json"
        )
        return bool(found["Running"] or found.get("Pid") or found["ExitCode"])

    async def exec_code(self, exec_id: str, what: str) -> int | None:
        found = await self.connection.call_json(
            f"tell how {what} ended", "get", f"/exec/{exec_id}/json"
        )
        return None if found["Running"] else int(found["ExitCode"])

    async def _post(self, ref: Ref, verb: str, what: str) -> None:
        await self.connection.call(what, "post", _path(ref.id, verb))

    async def _code_from_events(self, ref: Ref, since: float) -> int:
        """Of a container that has gone. Raises ContainerNotFoundError where nobody knows."""
        filters = json.dumps({"container": [ref.id], "event": ["died"]})
        content = await self.connection.call(
            f"tell how {ref} ended", "get", "/events", seconds=EVENTS_SECONDS,
            params={"stream": "false", "since": int(since), "filters": filters},
        )  # fmt: skip
        for line in reversed(content.splitlines()):
            with suppress(ValueError, KeyError, TypeError):
                return int(json.loads(line)["Actor"]["Attributes"]["containerExitCode"])
        raise ContainerNotFoundError(f"The container {ref} has gone.")


def stats_of(found: Mapping[str, Any]) -> Stats:
    limit = int(found["MemLimit"])
    return Stats(
        cpu_seconds=found["CPUNano"] / 1e9,
        memory_bytes=int(found["MemUsage"]),
        memory_limit_bytes=limit if 0 < limit < NO_LIMIT else None,
        pids=int(found["PIDs"]),
    )


def _path(container: str, *rest: str) -> str:
    return "/".join(["/containers", quote(container, safe=""), *rest])
