"""Where a Podman service may be listening, in the order in which ipybox tries."""

from __future__ import annotations

import os
import socket
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path

SYSTEM_SOCKET = "/run/podman/podman.sock"
CONNECT_TIMEOUT = 2.0
DENIED = "permission denied"


def configured_url(url: str | None, environment: Mapping[str, str]) -> str | None:
    """Return the engine's address as the user gave it.

    Args:
        url: The address that was passed to the backend, if any.
        environment: Environment variables; ``CONTAINER_HOST`` applies if ``url`` is None.

    Returns:
        The address; None if the default sockets are to be tried.
    """
    return url if url is not None else environment.get("CONTAINER_HOST") or None


def default_paths(environment: Mapping[str, str], uid: int) -> list[Path]:
    """Return the paths of the default sockets: the user's first, then the system's.

    Args:
        environment: Environment variables; ``XDG_RUNTIME_DIR`` names the user's runtime folder,
            which is ``/run/user/UID`` otherwise.
        uid: The numeric id of the user.
    """
    runtime = environment.get("XDG_RUNTIME_DIR") or f"/run/user/{uid}"
    paths = [Path(runtime) / "podman/podman.sock"]
    if sys.platform == "darwin":  # Podman forwards the socket of its virtual machine to these
        paths.append(Path(tempfile.gettempdir()) / "podman/podman-machine-default-api.sock")
        paths.append(Path.home() / ".local/share/containers/podman/machine/podman.sock")
    return [*paths, Path(SYSTEM_SOCKET)]


def why_unreachable(path: Path) -> str | None:
    """Return why no service can be reached at a socket; None if one can.

    Blocks for up to ``CONNECT_TIMEOUT``.
    """
    with socket.socket(socket.AF_UNIX) as probe:
        probe.settimeout(CONNECT_TIMEOUT)
        try:
            probe.connect(os.fspath(path))
        except FileNotFoundError:
            return "no such socket"
        except PermissionError:
            return DENIED
        except ConnectionRefusedError:
            return "no process is listening there" if path.is_socket() else "not a socket"
        except OSError as error:
            return error.strerror or str(error)
    return None
