"""Writing to a connection whose other end may have gone."""

from __future__ import annotations

import asyncio
import os


def send_now(transport: asyncio.WriteTransport, data: bytes) -> bytes:
    """Writes what there is room for, and returns the rest. Raises OSError.

    Where a transport's own write fails, it drops what was not read yet: the last words of a
    container. After this one's, reading goes on to the end.
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
