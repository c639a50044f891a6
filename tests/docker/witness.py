"""The Docker command line, as an independent witness."""

import json
import subprocess


def engine(*arguments: str) -> str:
    done = subprocess.run(["docker", *arguments], capture_output=True, text=True, check=True)
    return done.stdout


def everything() -> set[str]:
    containers = engine("ps", "-a", "-q", "--no-trunc", "--filter", "label=ipybox.container")
    volumes, networks = engine("volume", "ls", "-q"), engine("network", "ls", "-q")
    return {*containers.split(), *volumes.split(), *networks.split()}


def inspect(container: str) -> dict[str, object]:
    found: list[dict[str, object]] = json.loads(engine("inspect", container))
    return found[0]
