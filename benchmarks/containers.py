"""Container backends: cold start, further clients, round trips and the size of the image.

Podman is measured as the current user runs it: rootless, unless that user is root.
"""

from __future__ import annotations

import functools
import json
import os
import subprocess
import time
from collections.abc import Iterator
from contextlib import AsyncExitStack
from statistics import median

from benchmarks.contenders import IPYBOX, RAW, KernelOpener, client_kernel
from benchmarks.executions import WARM_UP
from benchmarks.figures import Figure, SkippedFigure, p95
from benchmarks.kernels import first_result
from benchmarks.peers import OLD_IPYBOX, PEERS, SCRIPTS, PeerError, base_image
from ipybox import ExecutionClient, ExecutionContainer, IpyboxError
from ipybox.plugins.selection import choose_backend

IMAGE = "ipybox/minimal"
PYTHON = "/opt/ipybox/bin/python"  # path in the image
ENGINES = {"docker": "Docker", "podman": "Podman"}
"""Engine command to the name to display."""
SLIM_BASE_MB = 121

RELATIVE_TO_OLD = f"cold start on Docker, relative to {OLD_IPYBOX}"
IMAGE_SIZE = f"size of {IMAGE} on a slim base of {SLIM_BASE_MB} MB"


async def container_figures(*, quick: bool, peers: bool) -> list[Figure | SkippedFigure]:
    """Measure all figures of all container engines.

    Args:
        quick: Measure few rounds.
        peers: Install other libraries and build their images where they are missing.

    Returns:
        The figures; one SkippedFigure for each engine that is not ready.
    """
    figures: list[Figure | SkippedFigure] = []
    for engine in ENGINES:
        reason = await _skip_reason(engine)
        if reason is not None:
            figures.append(SkippedFigure(name=f"figures of {_display_name(engine)}", reason=reason))
            continue
        cold = await cold_start(engine, rounds=3 if quick else 10)
        figures.append(cold)
        if engine == "docker":  # the peers run on Docker only
            figures += peer_cold_starts(
                cold.contenders[IPYBOX], rounds=1 if quick else 10, install=peers
            )
        figures.append(await further_client(engine, rounds=3 if quick else 30))
        blocks, rounds = (1, 20) if quick else (5, 100)
        figures.append(await round_trip(engine, blocks=blocks, rounds=rounds))
        if engine == "docker":
            figures.append(image_size())
    return figures


async def cold_start(engine: str, rounds: int) -> Figure:
    """Measure from no container to a first result, relative to bare Python in a container."""
    bare = f"{engine} run"
    times: dict[str, list[float]] = {IPYBOX: [], bare: []}
    for _ in range(1 + rounds):
        times[IPYBOX].append(await _time_cold_start(engine))
        start = time.perf_counter()
        _run_bare(engine)
        times[bare].append(time.perf_counter() - start)
    warm = {name: values[1:] for name, values in times.items()}  # the first round is a warm-up
    p50 = {name: median(values) for name, values in warm.items()}
    return Figure(
        name=f"cold start on {_display_name(engine)} to first result, p50, relative to {bare}",
        value=p50[IPYBOX] / p50[bare], unit="×", comparison="<=", target=2.2,
        contenders=p50, contender_unit="s",
        details={f"{name}, p95, s": p95(values) for name, values in warm.items()},
    )  # fmt: skip


def peer_cold_starts(
    own_p50: float, *, rounds: int, install: bool
) -> Iterator[Figure | SkippedFigure]:
    """Measure the cold starts of other libraries on Docker.

    Args:
        own_p50: p50 of ipybox's cold start in seconds, from the same run.
        rounds: Cold starts per library, besides a warm-up.
        install: Install missing libraries and build their images. Otherwise measure only those
            that are there already.
    """
    p50 = {IPYBOX: own_p50}
    for peer in PEERS:
        if not (install or peer.is_ready):
            yield SkippedFigure(
                name=f"cold start of {peer.name}",
                reason="Not installed. Run with --peers, or without --quick, to install it.",
            )
            continue
        try:
            if install:
                peer.prepare()
            p50[peer.name] = median(peer.cold_starts(rounds))
        except PeerError as error:
            yield SkippedFigure(name=f"cold start of {peer.name}", reason=str(error))
    if OLD_IPYBOX not in p50:
        yield SkippedFigure(name=RELATIVE_TO_OLD, reason=f"{OLD_IPYBOX} was not measured.")
        return
    yield Figure(
        name=RELATIVE_TO_OLD,
        value=own_p50 / p50[OLD_IPYBOX], unit="×", comparison="<=", target=1 / 3,
        contenders=p50, contender_unit="s",
    )  # fmt: skip


async def further_client(engine: str, rounds: int) -> Figure:
    """Measure from connecting to a first result, in a container that already had a client."""
    times = []
    async with _container(engine) as container:
        opener: KernelOpener = functools.partial(client_kernel, container.port)
        for _ in range(1 + rounds):
            async with AsyncExitStack() as stack:  # the shutdown is not measured
                times.append(await first_result(opener, stack))
    warm = times[1:]
    return Figure(
        name=f"further client in a container of {_display_name(engine)}, to first result, p50",
        value=median(warm), unit="s", comparison="<=", target=0.12,
        details={"p95, s": p95(warm)},
    )  # fmt: skip


async def round_trip(engine: str, blocks: int, rounds: int) -> Figure | SkippedFigure:
    """Measure a small execution from the host, relative to raw ZMQ inside the container."""
    name = (
        f"execution round trip into a container of {_display_name(engine)}, p50, "
        "relative to raw ZMQ inside it"
    )
    script = (SCRIPTS / "raw_zmq.py").read_text()
    times: dict[str, list[float]] = {IPYBOX: [], RAW: []}
    async with _container(engine) as container:
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
                message = (done.stderr or done.stdout).decode().strip().rpartition("\n")[2]
                return SkippedFigure(
                    name=name, reason=f"raw_zmq.py failed in the container: {message}"
                )
            times[RAW] += json.loads(done.stdout)["times"]
    p50 = {name: median(values) * 1000 for name, values in times.items()}
    return Figure(
        name=name,
        value=p50[IPYBOX] / p50[RAW], unit="×", comparison="<=", target=1.2,
        contenders=p50, contender_unit="ms",
    )  # fmt: skip


def image_size() -> Figure | SkippedFigure:
    """Measure what the image adds to its base, and report the size it has on a slim base."""
    base = base_image()
    try:
        (image_bytes, image_layers), (base_bytes, base_layers) = _inspect(IMAGE), _inspect(base)
    except subprocess.CalledProcessError:
        return SkippedFigure(name=IMAGE_SIZE, reason=f"The base image {base} does not exist.")
    if image_layers[: len(base_layers)] != base_layers:
        return SkippedFigure(
            name=IMAGE_SIZE, reason=f"The image is not built on the base image {base}."
        )
    added = (image_bytes - base_bytes) / 1e6
    return Figure(
        name=IMAGE_SIZE,
        value=SLIM_BASE_MB + added, unit="MB", comparison="<=", target=250,
        details={"added to the base, MB": added, "base on this machine, MB": base_bytes / 1e6,
                 "image on this machine, MB": image_bytes / 1e6},
    )  # fmt: skip


async def _skip_reason(engine: str) -> str | None:
    """Return why the engine can't be measured, or None if it can."""
    try:
        await choose_backend(engine)
        _command(engine, "image", "inspect", IMAGE)
    except IpyboxError as error:
        return str(error)
    except FileNotFoundError:
        return f"The {engine} command is not on PATH."
    except subprocess.CalledProcessError:
        command = f"ipybox build --recipe minimal --backend {engine}"
        return f"The image {IMAGE} does not exist. Build it with: {command}"
    try:
        _run_bare(engine)
    except subprocess.CalledProcessError as error:
        return f"`{engine} run` failed: {error.stderr.strip()}"
    return None


def _display_name(engine: str) -> str:
    rootless = engine == "podman" and os.getuid() != 0
    return f"{ENGINES[engine]}, rootless" if rootless else ENGINES[engine]


def _container(engine: str) -> ExecutionContainer:
    return ExecutionContainer(tag=IMAGE, backend=engine)


async def _time_cold_start(engine: str) -> float:
    start = time.perf_counter()
    async with _container(engine) as container, ExecutionClient(container.port) as client:
        result = await client.execute("print('hi')")
        taken = time.perf_counter() - start
        assert result.stdout == "hi\n", result
    return taken


def _run_bare(engine: str) -> None:
    """Print "hi" with the image's Python in a container that only the engine's command makes."""
    _command(engine, "run", "--rm", "--entrypoint", PYTHON, IMAGE, "-c", "print('hi')")


def _inspect(image: str) -> tuple[int, list[str]]:
    """Return the size of an image in bytes, and its layers."""
    (found,) = json.loads(_command("docker", "image", "inspect", image))
    return int(found["Size"]), list(found["RootFS"]["Layers"])


def _command(engine: str, *arguments: str) -> str:
    return subprocess.run([engine, *arguments], check=True, capture_output=True, text=True).stdout
