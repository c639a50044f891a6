"""Writing to a connection whose other end may be closed already."""

from __future__ import annotations

import asyncio
import os


def write_without_losing_reads(transport: asyncio.WriteTransport, data: bytes) -> bytes:
    """Write as much as fits into the socket at once, and return the rest.

    If a transport's own write fails, the transport drops what it has not read yet, and with it
    the last words of a container. After a failure of this write, reading continues to the end.

    Args:
        transport: The connection; over TLS, or with data in its buffer, nothing is written.
        data: The bytes to write.

    Returns:
        The bytes that were not written, for the transport's own write.

    Raises:
        OSError: If the connection is broken.
    """
    if (
        transport.get_extra_info("sslcontext") is not None
        or transport.get_write_buffer_size()
        or transport.is_closing()
    ):
        return data
    try:
        return data[os.write(transport.get_extra_info("socket").fileno(), data) :]
    except BlockingIOError:
        return data
