"""The Docker command line, as an independent witness."""

import json
import subprocess

from ipybox.authoring import Owner


def engine(*arguments: str) -> str:
    done = subprocess.run(["docker", *arguments], capture_output=True, text=True, check=True)
    return done.stdout


def everything() -> set[str]:
    """What tests may leave: containers of this process, or named as tests name theirs;
    volumes and networks."""
    template = '{{.Names}} {{.Label "ipybox.owner"}}'
    own = str(Owner.current())
    listed = engine("ps", "-a", "--filter", "label=ipybox.container", "--format", template)
    rows = [line.split() for line in listed.splitlines()]
    containers = {row[0] for row in rows if row[0].startswith("ipybox-test") or own in row}
    volumes = engine("volume", "ls", "-q")
    networks = engine("network", "ls", "--format", "{{.Name}}")
    return {*containers, *volumes.split(), *networks.split()}


def inspect(container: str) -> dict[str, object]:
    found: list[dict[str, object]] = json.loads(engine("inspect", container))
    return found[0]
