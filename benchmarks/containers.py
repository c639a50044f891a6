"""The Docker backend: from nothing to a first result, and what a container adds to it."""

from __future__ import annotations

import functools
import json
import subprocess
import time
from collections.abc import Iterator
from contextlib import AsyncExitStack
from statistics import median

from benchmarks.contenders import IPYBOX, RAW, KernelOpener, client_kernel
from benchmarks.executions import WARM_UP
from benchmarks.figures import Figure, LeftOut, p95
from benchmarks.kernels import first_result
from benchmarks.peers import OLD_IPYBOX, PEERS, SCRIPTS, PeerError, base_image
from ipybox import ExecutionClient, ExecutionContainer, IpyboxError
from ipybox.selection import choose_backend

IMAGE = "ipybox/minimal"
PYTHON = "/opt/ipybox/bin/python"  # in the image
DOCKER_RUN = "docker run"
SLIM_BASE_MB = 121

ALL = "figures of the Docker backend"
OVER_OLD = f"cold start on Docker, over {OLD_IPYBOX}"
ROUND_TRIP = "execution round trip into a container, p50, over raw ZMQ inside it"
SIZE = f"{IMAGE}, on a slim base of {SLIM_BASE_MB} MB"


async def container_figures(*, quick: bool, peers: bool) -> list[Figure | LeftOut]:
    """``peers``: whether other libraries may be installed, and their images built, for it."""
    reason = await _why_not()
    if reason is not None:
        return [LeftOut(name=ALL, reason=reason)]
    cold = await cold_start(rounds=3 if quick else 10)
    return [
        cold,
        *beside_peers(cold.contenders[IPYBOX], rounds=1 if quick else 10, install=peers),
        await further_client(rounds=3 if quick else 30),
        await round_trip(blocks=1 if quick else 5, rounds=20 if quick else 100),
        image_size(),
    ]


async def cold_start(rounds: int) -> Figure:
    """From no container to a first result, beside a Python that prints the same."""
    times: dict[str, list[float]] = {IPYBOX: [], DOCKER_RUN: []}
    for _ in range(1 + rounds):
        times[IPYBOX].append(await _ours_cold())
        start = time.perf_counter()
        _docker("run", "--rm", "--entrypoint", PYTHON, IMAGE, "-c", "print('hi')")
        times[DOCKER_RUN].append(time.perf_counter() - start)
    warm = {name: values[1:] for name, values in times.items()}  # the first ones warm up
    p50 = {name: median(values) for name, values in warm.items()}
    return Figure(
        name="cold start on Docker to first result, p50, over docker run",
        value=p50[IPYBOX] / p50[DOCKER_RUN], unit="×", comparison="<=", target=2.2,
        contenders=p50, contender_unit="s",
        details={f"{name}, p95, s": p95(values) for name, values in warm.items()},
    )  # fmt: skip


def beside_peers(ours: float, *, rounds: int, install: bool) -> Iterator[Figure | LeftOut]:
    """``ours``: p50 of our cold start. Without ``install``, only peers that are there."""
    p50 = {IPYBOX: ours}
    for peer in PEERS:
        if not (install or peer.is_there):
            yield LeftOut(
                name=f"cold start of {peer.name}",
                reason="It is not installed; a run with --peers, or one without --quick, does it.",
            )
            continue
        try:
            if install:
                peer.make()
            p50[peer.name] = median(peer.cold_starts(rounds))
        except PeerError as error:
            yield LeftOut(name=f"cold start of {peer.name}", reason=str(error))
    if OLD_IPYBOX not in p50:
        yield LeftOut(name=OVER_OLD, reason=f"{OLD_IPYBOX} was not measured.")
        return
    yield Figure(
        name=OVER_OLD,
        value=ours / p50[OLD_IPYBOX], unit="×", comparison="<=", target=1 / 3,
        contenders=p50, contender_unit="s",
    )  # fmt: skip


async def further_client(rounds: int) -> Figure:
    """In a container that runs, and has had a client: from connecting to a first result."""
    times = []
    async with _container() as container:
        opener: KernelOpener = functools.partial(client_kernel, container.port)
        for _ in range(1 + rounds):
            async with AsyncExitStack() as stack:  # its end is not measured
                times.append(await first_result(opener, stack))
    warm = times[1:]
    return Figure(
        name="further client in a container, to first result, p50",
        value=median(warm), unit="s", comparison="<=", target=0.12,
        details={"p95, s": p95(warm)},
    )  # fmt: skip


async def round_trip(blocks: int, rounds: int) -> Figure | LeftOut:
    """p50 of one small execution: ours, from the host, over raw ZMQ inside the container."""
    script = (SCRIPTS / "raw_zmq.py").read_text()
    times: dict[str, list[float]] = {IPYBOX: [], RAW: []}
    async with _container() as container:
        for _ in range(blocks):
            async with client_kernel(container.port) as kernel:
                for number in range(WARM_UP + rounds):
                    start = time.perf_counter()
                    await kernel.run(f"x = {number}")
                    if number >= WARM_UP:
                        times[IPYBOX].append(time.perf_counter() - start)
            command = [PYTHON, "-P", "-c", script, str(rounds), str(WARM_UP)]
            done = await container.exec(command, timeout=300)
            if done.exit_code:
                told = (done.stderr or done.stdout).decode().strip().rpartition("\n")[2]
                return LeftOut(
                    name=ROUND_TRIP, reason=f"In the container raw_zmq.py failed: {told}"
                )
            times[RAW] += json.loads(done.stdout)["times"]
    p50 = {name: median(values) * 1000 for name, values in times.items()}
    return Figure(
        name=ROUND_TRIP,
        value=p50[IPYBOX] / p50[RAW], unit="×", comparison="<=", target=1.2,
        contenders=p50, contender_unit="ms",
    )  # fmt: skip


def image_size() -> Figure | LeftOut:
    """What the image adds to its base, put on a slim base."""
    base = base_image()
    try:
        (image_bytes, image_layers), (base_bytes, base_layers) = _inspect(IMAGE), _inspect(base)
    except subprocess.CalledProcessError:
        return LeftOut(name=SIZE, reason=f"The base, {base}, is not there.")
    if image_layers[: len(base_layers)] != base_layers:
        return LeftOut(name=SIZE, reason=f"The image does not stand on {base}.")
    added = (image_bytes - base_bytes) / 1e6
    return Figure(
        name=SIZE,
        value=SLIM_BASE_MB + added, unit="MB", comparison="<=", target=250,
        details={"added to the base, MB": added, "the base here, MB": base_bytes / 1e6,
                 "the image here, MB": image_bytes / 1e6},
    )  # fmt: skip


async def _why_not() -> str | None:
    """Why nothing can be measured; None where it can."""
    try:
        await choose_backend("docker")
        _inspect(IMAGE)
    except IpyboxError as error:
        return str(error)
    except FileNotFoundError:
        return "The docker command is not on PATH."
    except subprocess.CalledProcessError:
        return f"The image {IMAGE} is not there; make it with: ipybox build --recipe minimal"
    return None


def _container() -> ExecutionContainer:
    return ExecutionContainer(tag=IMAGE, backend="docker")


async def _ours_cold() -> float:
    start = time.perf_counter()
    async with _container() as container, ExecutionClient(container.port) as client:
        result = await client.execute("print('hi')")
        taken = time.perf_counter() - start
        assert result.stdout == "hi\n", result
    return taken


def _inspect(image: str) -> tuple[int, list[str]]:
    """Size in bytes, and layers."""
    (found,) = json.loads(_docker("image", "inspect", image))
    return int(found["Size"]), list(found["RootFS"]["Layers"])


def _docker(*arguments: str) -> str:
    command = ["docker", *arguments]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout
