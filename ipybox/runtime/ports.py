"""Checks of ports on this host."""

from __future__ import annotations

import socket

from ipybox.errors import PortTakenError

LOOPBACK = "127.0.0.1"


def check_port_free(port: int) -> None:
    """Check that this process could listen on a port of the loopback address.

    Args:
        port: The port.

    Raises:
        PortTakenError: If the port is in use, or needs privileges that this process lacks.
    """
    with socket.socket() as probe:
        # The gateway binds in the same way: an old connection in TIME_WAIT is no obstacle.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((LOOPBACK, port))
        except PermissionError as error:
            raise PortTakenError(
                f"Port {port} on {LOOPBACK} needs privileges ({error.strerror}). Choose a port "
                "from 1024."
            ) from error
        except OSError as error:
            raise port_taken(port) from error


def port_taken(port: int) -> PortTakenError:
    """Build the error for a port that is in use.

    Args:
        port: The port.

    Returns:
        The error, to be raised by the caller.
    """
    return PortTakenError(
        f"Port {port} on {LOOPBACK} is in use. Choose another, or leave port out to let the "
        "system find a free one."
    )
