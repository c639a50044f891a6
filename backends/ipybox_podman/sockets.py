"""Where Podman may be listening, in the order that people expect."""

from __future__ import annotations

import os
import socket
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path

SYSTEM_SOCKET = "/run/podman/podman.sock"
CONNECT_SECONDS = 2.0
DENIED = "permission denied"


def named(url: str | None, environment: Mapping[str, str]) -> str | None:
    """The address that was given; None where one has to be looked for."""
    return url if url is not None else environment.get("CONTAINER_HOST") or None


def usual(environment: Mapping[str, str], uid: int) -> list[Path]:
    """The usual sockets: the user's, and then the system's."""
    runtime = environment.get("XDG_RUNTIME_DIR") or f"/run/user/{uid}"
    own = [Path(runtime) / "podman/podman.sock"]
    if sys.platform == "darwin":  # where the machine's socket is passed on to
        own.append(Path(tempfile.gettempdir()) / "podman/podman-machine-default-api.sock")
        own.append(Path.home() / ".local/share/containers/podman/machine/podman.sock")
    return [*own, Path(SYSTEM_SOCKET)]


def why_not(path: Path) -> str | None:
    """Why nobody answers at a socket; None: somebody does. Blocks, for a moment."""
    with socket.socket(socket.AF_UNIX) as probe:
        probe.settimeout(CONNECT_SECONDS)
        try:
            probe.connect(os.fspath(path))
        except FileNotFoundError:
            return "no such socket"
        except PermissionError:
            return DENIED
        except ConnectionRefusedError:
            return "nobody answers there" if path.is_socket() else "it is no socket"
        except OSError as error:
            return error.strerror or str(error)
    return None
