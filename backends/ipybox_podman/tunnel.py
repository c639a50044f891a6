"""The way to an engine behind ssh: its socket, passed on to one of ours.

podman-py has the same, with a process for each connection, no look at whether it has failed,
and any host's key taken for the right one.
"""

from __future__ import annotations

import subprocess
from collections.abc import Mapping
from pathlib import Path
from urllib.parse import unquote, urlsplit

from ipybox import BackendUnavailableError
from ipybox_podman.listener import Listener

SCHEMES = ("ssh", "http+ssh")
CONNECT_SECONDS = 10
ALIVE_SECONDS = 15
OPTIONS = {
    "BatchMode": "yes",  # nobody is there to be asked
    "ExitOnForwardFailure": "yes",
    "ConnectTimeout": str(CONNECT_SECONDS),
    "ServerAliveInterval": str(ALIVE_SECONDS),
}


def is_ssh(url: str | None) -> bool:
    return url is not None and urlsplit(url).scheme in SCHEMES


def host_of(url: str) -> str:
    """The host as ssh finds it: what the URL names may be a name of ssh's settings alone.
    Blocks, for a moment."""
    name = urlsplit(url).hostname or ""
    try:
        told = subprocess.run(
            ["ssh", "-G", "--", f"ssh://{urlsplit(url).netloc}"],  # noqa: S607  # as on the PATH
            capture_output=True, text=True, timeout=CONNECT_SECONDS, check=True,
        ).stdout  # fmt: skip
    except (OSError, subprocess.SubprocessError):  # an older ssh; the tunnel is up all the same
        return name
    found = dict(line.split(" ", 1) for line in told.splitlines() if " " in line)
    return found.get("hostname", name)


def tunnel(url: str, environment: Mapping[str, str]) -> Listener:
    """``url``: ssh://[USER@]HOST[:PORT]/PATH. ``environment``: CONTAINER_SSHKEY names the key,
    as for Podman's own client. Keys, hosts and all else are as in ssh's settings."""
    parts = urlsplit(url)
    if not parts.hostname or parts.path in ("", "/") or parts.password is not None:
        raise BackendUnavailableError(
            f"{parts._replace(netloc=parts.netloc.rpartition('@')[2]).geturl()!r} is no address "
            "of a Podman engine: write ssh://USER@HOST/PATH with the path of its socket, and no "
            "password; ssh's keys are used."
        )

    def command(path: Path) -> list[str]:
        options = [f"-o{name}={value}" for name, value in OPTIONS.items()]
        if key := environment.get("CONTAINER_SSHKEY"):
            options += ["-i", key]
        # `cat` ends with its input, and the tunnel with it: also when its owner was killed.
        forward = f"{path}:{unquote(parts.path)}"
        return ["ssh", "-T", *options, "-L", forward, "--", f"ssh://{parts.netloc}", "cat"]

    return Listener(
        f"ssh to {parts.hostname}",
        command,
        f"Does `ssh -o BatchMode=yes ssh://{parts.netloc} true` work?",
    )
