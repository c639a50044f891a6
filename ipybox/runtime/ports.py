"""Ports of this host."""

from __future__ import annotations

import socket

from ipybox.errors import PortTakenError

LOOPBACK = "127.0.0.1"


def check_port_free(port: int) -> None:
    """Raises PortTakenError for a port of loopback that this process could not listen on."""
    with socket.socket() as probe:
        # As a gateway binds: an old connection in TIME_WAIT is no obstacle.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((LOOPBACK, port))
        except PermissionError as error:
            raise PortTakenError(
                f"Port {port} needs privileges ({error.strerror}); choose one from 1024."
            ) from error
        except OSError as error:
            raise port_taken(port) from error


def port_taken(port: int) -> PortTakenError:
    return PortTakenError(
        f"Port {port} on {LOOPBACK} is in use. Choose another, or leave port out: "
        "the system then finds a free one."
    )
