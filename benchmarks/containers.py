"""Container backends: from nothing to a first result, and what a container adds to it.

Podman is measured as whoever runs this has it: rootless for an ordinary user.
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
from benchmarks.figures import Figure, LeftOut, p95
from benchmarks.kernels import first_result
from benchmarks.peers import OLD_IPYBOX, PEERS, SCRIPTS, PeerError, base_image
from ipybox import ExecutionClient, ExecutionContainer, IpyboxError
from ipybox.plugins.selection import choose_backend

IMAGE = "ipybox/minimal"
PYTHON = "/opt/ipybox/bin/python"  # in the image
ENGINES = {"docker": "Docker", "podman": "Podman"}
"""Commands, and what people call them."""
SLIM_BASE_MB = 121

OVER_OLD = f"cold start on Docker, over {OLD_IPYBOX}"
SIZE = f"{IMAGE}, on a slim base of {SLIM_BASE_MB} MB"


async def container_figures(*, quick: bool, peers: bool) -> list[Figure | LeftOut]:
    """``peers``: whether other libraries may be installed, and their images built, for it."""
    figures: list[Figure | LeftOut] = []
    for engine in ENGINES:
        reason = await _why_not(engine)
        if reason is not None:
            figures.append(LeftOut(name=f"figures of {_title(engine)}", reason=reason))
            continue
        cold = await cold_start(engine, rounds=3 if quick else 10)
        figures.append(cold)
        if engine == "docker":  # what the peers run on
            figures += beside_peers(
                cold.contenders[IPYBOX], rounds=1 if quick else 10, install=peers
            )
        figures.append(await further_client(engine, rounds=3 if quick else 30))
        blocks, rounds = (1, 20) if quick else (5, 100)
        figures.append(await round_trip(engine, blocks=blocks, rounds=rounds))
        if engine == "docker":
            figures.append(image_size())
    return figures


async def cold_start(engine: str, rounds: int) -> Figure:
    """From no container to a first result, beside a Python that prints the same."""
    bare = f"{engine} run"
    times: dict[str, list[float]] = {IPYBOX: [], bare: []}
    for _ in range(1 + rounds):
        times[IPYBOX].append(await _ours_cold(engine))
        start = time.perf_counter()
        _command(engine, "run", "--rm", "--entrypoint", PYTHON, IMAGE, "-c", "print('hi')")
        times[bare].append(time.perf_counter() - start)
    warm = {name: values[1:] for name, values in times.items()}  # the first ones warm up
    p50 = {name: median(values) for name, values in warm.items()}
    return Figure(
        name=f"cold start on {_title(engine)} to first result, p50, over {bare}",
        value=p50[IPYBOX] / p50[bare], unit="×", comparison="<=", target=2.2,
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


async def further_client(engine: str, rounds: int) -> Figure:
    """In a container that runs, and has had a client: from connecting to a first result."""
    times = []
    async with _container(engine) as container:
        opener: KernelOpener = functools.partial(client_kernel, container.port)
        for _ in range(1 + rounds):
            async with AsyncExitStack() as stack:  # its end is not measured
                times.append(await first_result(opener, stack))
    warm = times[1:]
    return Figure(
        name=f"further client in a container of {_title(engine)}, to first result, p50",
        value=median(warm), unit="s", comparison="<=", target=0.12,
        details={"p95, s": p95(warm)},
    )  # fmt: skip


async def round_trip(engine: str, blocks: int, rounds: int) -> Figure | LeftOut:
    """p50 of one small execution: ours, from the host, over raw ZMQ inside the container."""
    name = f"execution round trip into a container of {_title(engine)}, p50, over raw ZMQ inside it"
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
                told = (done.stderr or done.stdout).decode().strip().rpartition("\n")[2]
                return LeftOut(name=name, reason=f"In the container raw_zmq.py failed: {told}")
            times[RAW] += json.loads(done.stdout)["times"]
    p50 = {name: median(values) * 1000 for name, values in times.items()}
    return Figure(
        name=name,
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


async def _why_not(engine: str) -> str | None:
    """Why nothing can be measured; None where it can."""
    try:
        await choose_backend(engine)
        _command(engine, "image", "inspect", IMAGE)
    except IpyboxError as error:
        return str(error)
    except FileNotFoundError:
        return f"The {engine} command is not on PATH."
    except subprocess.CalledProcessError:
        mend = f"ipybox build --recipe minimal --backend {engine}"
        return f"The image {IMAGE} is not there; make it with: {mend}"
    return None


def _title(engine: str) -> str:
    rootless = engine == "podman" and os.getuid() != 0
    return f"{ENGINES[engine]}, rootless" if rootless else ENGINES[engine]


def _container(engine: str) -> ExecutionContainer:
    return ExecutionContainer(tag=IMAGE, backend=engine)


async def _ours_cold(engine: str) -> float:
    start = time.perf_counter()
    async with _container(engine) as container, ExecutionClient(container.port) as client:
        result = await client.execute("print('hi')")
        taken = time.perf_counter() - start
        assert result.stdout == "hi\n", result
    return taken


def _inspect(image: str) -> tuple[int, list[str]]:
    """Size in bytes, and layers."""
    (found,) = json.loads(_command("docker", "image", "inspect", image))
    return int(found["Size"]), list(found["RootFS"]["Layers"])


def _command(engine: str, *arguments: str) -> str:
    return subprocess.run([engine, *arguments], check=True, capture_output=True, text=True).stdout
