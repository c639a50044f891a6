"""A Podman engine, over its HTTP API."""

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
    ExitStatus,
    Stats,
    check_port_free,
    is_abandoned,
    poll,
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
    stats_from_proc,
)
from ipybox.errors import ContainerNotFoundError, UnsupportedError
from ipybox_podman.connection import Connection
from ipybox_podman.host import has_user_cgroups
from ipybox_podman.images import PodmanImages
from ipybox_podman.limits import read_inherited_limits
from ipybox_podman.placement import find_placement
from ipybox_podman.streams import frames
from ipybox_podman.translate import create_payload, user_mapping, wants_mapping

log = logging.getLogger(__name__)

COPY_TIMEOUT = 600.0
"""Seconds to create a container if Podman first copies the layers of its image."""
AWAY_TIMEOUT = 5.0
"""Seconds in which a service that is away has to answer again."""
SETTLE_TIMEOUT = 1.0
"""Seconds in which Podman comes to show that a container has stopped."""
POLL_INTERVAL = 0.01
ATTACH_PARAMS = {
    "stdin": "true", "stdout": "true", "stderr": "true", "stream": "true", "logs": "false",
}  # fmt: skip


class PodmanEngine(Engine):
    """A client of a Podman engine.

    Args:
        url: Address of the engine; None for CONTAINER_HOST or the default sockets.
    """

    title = "Podman"
    images: PodmanImages

    def __init__(self, url: str | None) -> None:
        self.connection = Connection(url)
        self.images = PodmanImages(self.connection)
        ordinary = os.getuid() != 0 and sys.platform == "linux" and self.connection.on_this_host
        if ordinary and not has_user_cgroups():
            self.lacks = frozenset({Capability.PAUSE})

    @property
    def address(self) -> str:
        return self.connection.address

    def check_address(self) -> None:
        self.connection.check_address()

    async def availability(self) -> Availability:
        return await self.connection.availability()

    async def find_placement(self) -> Placement:
        return await find_placement(self.connection)

    async def aclose(self) -> None:
        if self.connection.url is None:
            self.cache.placement = None  # the next engine on the default sockets may be another
        await self.connection.aclose()

    async def user_mapping(self, spec: ContainerSpec) -> str | None:
        """Return the user mapping of a container, or None for Podman's default.

        Raises:
            ImageNotFoundError: If the mapping depends on an image that the engine does not have.
            InvalidArgumentError: If the number of the container's user is unknown.
        """
        if not wants_mapping(spec, await self.placement()):
            return None
        user = spec.user if spec.user is not None else await self.images.user(spec.tag)
        return user_mapping(user)

    async def create(self, spec: ContainerSpec) -> Ref:
        placement = await self.placement()
        mapping = await self.user_mapping(spec)
        user = spec.user if mapping else container_user(spec, placement, os.getuid(), os.getgid())
        # An engine of root on this host has the limits that this process has.
        same_limits = placement.local and not placement.rootless and os.getuid() == 0
        payload = create_payload(
            spec, placement, user=user, mapping=mapping,
            inherited_limits=read_inherited_limits() if same_limits else {},
        )  # fmt: skip
        return await self.create_from(spec.name, payload)

    async def create_from(self, name: str, payload: Mapping[str, Any]) -> Ref:
        """Create a container.

        Args:
            name: The container's name.
            payload: The body of the request, as :func:`create_payload` makes it.

        Raises:
            UnsupportedError: If the engine ignores the runtime that is asked for.
        """
        for published in payload.get("portmappings", ()):
            # In some Podmans, a second container that asks for a port takes it from the first.
            if (published["host_ip"], published["protocol"]) == (LOOPBACK, "tcp"):
                check_port_free(published["host_port"])
        # For a user mapping that is new to the image, Podman copies the image's layers.
        created = await self.connection.call_json(
            f"create the container {name}", "post", "/containers/create", payload=payload,
            timeout=COPY_TIMEOUT if "userns" in payload else CALL_TIMEOUT,
        )  # fmt: skip
        for warning in created.get("Warnings") or ():
            # Whatever Podman has left out shows in the container's guarantees.
            log.info("container %s: %s", name, warning)
        ref = Ref(created["Id"], name)
        if wanted := payload.get("oci_runtime"):
            await self._check_runtime(ref, str(wanted))
        return ref

    async def _check_runtime(self, ref: Ref, wanted: str) -> None:
        """Remove the container and raise if it has another runtime: older Podmans ignore it."""
        found = await self.connection.call_json(
            f"inspect the container {ref}", "get", _path(ref.id, "json"), timeout=CALL_TIMEOUT
        )
        if found["OCIRuntime"] not in (wanted, os.path.basename(wanted)):
            await self.remove(ref)
            raise UnsupportedError(
                f"This Podman created the container {ref} with the runtime "
                f"{found['OCIRuntime']!r}, although {wanted!r} was asked for. Set "
                f"runtime={wanted!r} in its containers.conf, or leave runtime out."
            )

    async def attach(self, ref: Ref) -> Streams:
        return await self.connection.streams(
            f"attach to the container {ref}", _path(ref.id, "attach"), params=ATTACH_PARAMS
        )

    async def start(self, ref: Ref) -> None:
        await self._post(ref, "start", f"start the container {ref}")

    async def stop(self, ref: Ref, grace: float) -> None:
        if (await self.inspect(ref.id)).status == "paused":  # Podman refuses to stop such a one
            await self.unpause(ref)
        await self.connection.call(
            f"stop the container {ref}", "post", _path(ref.id, "stop"),
            params={"timeout": round(grace)}, timeout=grace + REMOVE_TIMEOUT,
        )  # fmt: skip

    async def remove(self, ref: Ref) -> None:
        async def delete() -> None:
            await self.connection.call(
                f"remove the container {ref}", "delete", _path(ref.id),
                params={"force": "true", "v": "true", "timeout": 0}, timeout=REMOVE_TIMEOUT,
            )  # fmt: skip

        # Containers run on without the service, which has to be started or found again.
        await remove_until_gone(delete, REMOVE_TIMEOUT, engine_returns_within=AWAY_TIMEOUT)

    async def inspect(self, container: str) -> Inspection:
        found = await self.connection.call_json(
            f"inspect the container {container}", "get", _path(container, "json"),
            timeout=CALL_TIMEOUT,
        )  # fmt: skip
        inspection = parse_inspection(found)
        # Podman does not report a paused container as running.
        paused = bool(found["State"].get("Paused"))
        return dataclasses.replace(inspection, running=True) if paused else inspection

    async def wait_for_exit(self, ref: Ref, output_ended: asyncio.Event | None) -> ExitStatus:
        asked = time.time()
        while True:
            if output_ended is not None:
                await output_ended.wait()
                output_ended = None  # perhaps only the connection has ended
            else:
                await self._wait(ref)
            status = await self._settled_status(ref, asked)
            if status is not None:
                return status

    async def _wait(self, ref: Ref) -> None:
        """Wait until Podman reports that a container has stopped, or does not know it.

        Podman looks four times a second. The end of a container's output would come at once; but
        conmon 2.1.6 may crash if the container prints just as an attached client leaves.
        """
        try:
            await self.connection.answered(f"wait for the container {ref}", _path(ref.id, "wait"))
        except ContainerNotFoundError:
            return

    async def _settled_status(self, ref: Ref, since: float) -> ExitStatus | None:
        """Return how a container has exited, or None if it still runs after a while.

        Podman is asked often: it removes the container soon, and with it what it knows of the
        exit.
        """
        status: ExitStatus | None = None

        async def has_exited() -> bool:
            nonlocal status
            try:
                found = await self.inspect(ref.id)
            except ContainerNotFoundError:
                status = exit_status(await self._code_from_events(ref, since))
                return True
            if found.ended:
                status = exit_status(found.exit_code, out_of_memory=found.out_of_memory)
            return status is not None

        await poll(has_exited, every=POLL_INTERVAL, within=SETTLE_TIMEOUT)
        return status

    async def list(self) -> Sequence[ContainerInfo]:
        found = await self.connection.call_json(
            "list its containers", "get", "/containers/json", timeout=CALL_TIMEOUT,
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
            f"return the log of the container {ref}", "get", _path(ref.id, "logs"),
            params={"stdout": "true", "stderr": "true", "tail": tail}, timeout=CALL_TIMEOUT,
        )  # fmt: skip
        return [data.decode(errors="replace") for _, data in frames(content)]

    async def stats(self, ref: Ref) -> Stats:
        # An ordinary user's containers may have no control group of their own. Then their
        # processes are measured from inside.
        what = f"measure the container {ref}"
        params = {"containers": ref.id, "stream": "false"}
        try:
            found = await self.connection.call_json(
                what, "get", "/containers/stats", params=params, timeout=CALL_TIMEOUT
            )
        except BackendError as error:
            if "cgroup" not in str(error):
                raise
            return await stats_from_proc(self, ref)
        if found.get("Error") or not found.get("Stats"):
            raise ContainerNotFoundError(
                f"The Podman engine could not {what}: {found.get('Error')}. Check that the "
                "container is running."
            )
        if found["Stats"][0]["PIDs"] == 0:
            return await stats_from_proc(self, ref)
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
            f"run {argv[0]!r}", "post", _path(ref.id, "exec"), payload=payload,
            timeout=CALL_TIMEOUT,
        )  # fmt: skip
        return str(created["Id"])

    async def exec_start(self, exec_id: str, what: str) -> Streams:
        return await self.connection.streams(
            f"run {what}", f"/exec/{exec_id}/start", payload={"Detach": False, "Tty": False}
        )

    async def exec_started(self, exec_id: str, what: str) -> bool:
        found = await self.connection.call_json(
            f"report whether {what} has started", "get", f"/exec/{exec_id}/json",
            timeout=CALL_TIMEOUT,
        )  # fmt: skip
        return bool(found["Running"] or found.get("Pid") or found["ExitCode"])

    async def exec_code(self, exec_id: str, what: str) -> int | None:
        found = await self.connection.call_json(
            f"report the exit code of {what}", "get", f"/exec/{exec_id}/json",
            timeout=CALL_TIMEOUT,
        )  # fmt: skip
        return None if found["Running"] else int(found["ExitCode"])

    async def _post(self, ref: Ref, verb: str, what: str) -> None:
        await self.connection.call(what, "post", _path(ref.id, verb), timeout=CALL_TIMEOUT)

    async def _code_from_events(self, ref: Ref, since: float) -> int:
        """Return the exit code of a container that is removed already, from Podman's events.

        Raises:
            ContainerNotFoundError: If no event reports it.
        """
        filters = json.dumps({"container": [ref.id], "event": ["died"]})
        content = await self.connection.call(
            f"report how the container {ref} exited", "get", "/events", timeout=CALL_TIMEOUT,
            params={"stream": "false", "since": int(since), "filters": filters},
        )  # fmt: skip
        for line in reversed(content.splitlines()):
            with suppress(ValueError, KeyError, TypeError):
                return int(json.loads(line)["Actor"]["Attributes"]["containerExitCode"])
        raise ContainerNotFoundError(f"The container {ref} is gone, and its exit code unknown.")


def stats_of(found: Mapping[str, Any]) -> Stats:
    """Return the usage of a container from an item of ``GET /containers/stats``."""
    return Stats(
        cpu_seconds=found["CPUNano"] / 1e9,
        memory_bytes=int(found["MemUsage"]),
        memory_limit_bytes=memory_limit(int(found["MemLimit"])),
        pids=int(found["PIDs"]),
    )


def _path(container: str, *rest: str) -> str:
    return "/".join(["/containers", quote(container, safe=""), *rest])
