"""An ssh tunnel to a remote engine: its socket, forwarded to a local one.

podman-py can do this too, but it starts one process for each connection, does not notice when
that process fails, and accepts any host key.
"""

from __future__ import annotations

import subprocess
from collections.abc import Mapping
from pathlib import Path
from urllib.parse import unquote, urlsplit

from ipybox import BackendUnavailableError
from ipybox_podman.listener import Listener

SCHEMES = ("ssh", "http+ssh")
CONNECT_TIMEOUT = 10
ALIVE_INTERVAL = 15
OPTIONS = {
    "BatchMode": "yes",  # no user is there to answer ssh's questions
    "ExitOnForwardFailure": "yes",
    "ConnectTimeout": str(CONNECT_TIMEOUT),
    "ServerAliveInterval": str(ALIVE_INTERVAL),
}


def is_ssh(url: str | None) -> bool:
    """Return whether an engine's address goes through ssh."""
    return url is not None and urlsplit(url).scheme in SCHEMES


def host_of(url: str) -> str:
    """Return the name of the host that ssh connects to for an address.

    The host in the address may be an alias that is defined in ssh's settings only. Blocks for
    up to ``CONNECT_TIMEOUT``.

    Args:
        url: The engine's address, as ``ssh://[USER@]HOST[:PORT]/PATH``.

    Returns:
        The host name according to ``ssh -G``; the host in the address if ssh cannot say.
    """
    name = urlsplit(url).hostname or ""
    try:
        settings = subprocess.run(
            ["ssh", "-G", "--", f"ssh://{urlsplit(url).netloc}"],  # noqa: S607  # from the PATH
            capture_output=True, text=True, timeout=CONNECT_TIMEOUT, check=True,
        ).stdout  # fmt: skip
    except (OSError, subprocess.SubprocessError):  # an older ssh; the tunnel works nevertheless
        return name
    found = dict(line.split(" ", 1) for line in settings.splitlines() if " " in line)
    return found.get("hostname", name)


def tunnel(url: str, environment: Mapping[str, str]) -> Listener:
    """Return a listener that forwards the engine's socket over ssh.

    Keys, known hosts and everything else come from ssh's settings.

    Args:
        url: The engine's address, as ``ssh://[USER@]HOST[:PORT]/PATH``.
        environment: Environment variables; ``CONTAINER_SSHKEY`` names the key file, as for
            Podman's own client.

    Raises:
        BackendUnavailableError: If the address has no host, no path, or a password.
    """
    parts = urlsplit(url)
    if not parts.hostname or parts.path in ("", "/") or parts.password is not None:
        raise BackendUnavailableError(
            f"{parts._replace(netloc=parts.netloc.rpartition('@')[2]).geturl()!r} is not an "
            "address of a Podman engine. Write ssh://USER@HOST/PATH with the path of its socket "
            "and without a password; ssh's keys are used."
        )

    def command(path: Path) -> list[str]:
        options = [f"-o{name}={value}" for name, value in OPTIONS.items()]
        if key := environment.get("CONTAINER_SSHKEY"):
            options += ["-i", key]
        # `cat` exits when its input is closed, and the tunnel with it: also if this process is
        # killed.
        forward = f"{path}:{unquote(parts.path)}"
        return ["ssh", "-T", *options, "-L", forward, "--", f"ssh://{parts.netloc}", "cat"]

    return Listener(
        f"ssh to {parts.hostname}",
        command,
        f"Check that `ssh -o BatchMode=yes ssh://{parts.netloc} true` works.",
    )
