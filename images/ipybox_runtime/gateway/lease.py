"""``POST /ipybox/v1/lease``: the owner of the container renews its lease."""

import contextlib
import json
import os
import time
from pathlib import Path

import tornado.web
from jupyter_server.base.handlers import APIHandler
from kernel_gateway.mixins import JSONErrorsMixin, TokenAuthorizationMixin

LEASE_PATH = r"/ipybox/v1/lease"

MAX_OWNER_CHARS = 512
"""Longest name of an owner."""


class Lease:
    """The container's lease. Process 1 enforces it and is notified of each renewal.

    The file ``lease`` in the run folder names the process that renewed it last. A sweep reads it
    to learn whether another process still holds a container whose owner is dead.

    Args:
        seconds: How long the lease lasts after each renewal; 0 for no limit.
        fd: Where a byte notifies process 1; None without process 1.
        run_folder: Folder for the file; None for no file.

    Attributes:
        seconds: As above.
    """

    def __init__(self, seconds: float, fd: int | None, run_folder: Path | None) -> None:
        self.seconds = seconds
        self._fd = fd
        self._run_folder = run_folder
        self._renewed = time.monotonic()
        self._owner = ""

    @property
    def left(self) -> float | None:
        """Seconds until the lease expires; None without a lease."""
        if not self.seconds:
            return None
        return max(0.0, self.seconds - (time.monotonic() - self._renewed))

    def begin(self) -> None:
        """Start the clock: from now on, the lease can be renewed."""
        self._renewed = time.monotonic()
        if self._fd is not None:
            with contextlib.suppress(OSError):
                os.write(self._fd, b".")

    def renew(self, owner: str) -> None:
        """Start the clock again, and record who renewed the lease.

        Args:
            owner: Names the process that renews it.
        """
        self.begin()
        if owner != self._owner and self._run_folder is not None:
            self._owner = owner
            with contextlib.suppress(OSError):
                write_private(self._run_folder / "lease", owner)


class LeaseHandler(TokenAuthorizationMixin, JSONErrorsMixin, APIHandler):  # type: ignore[misc]
    """Renews the lease. The body is ``{"owner": "…"}`` or empty; 400 for any other."""

    @tornado.web.authenticated
    def post(self) -> None:
        lease: Lease = self.settings["ipybox_lease"]
        try:
            owner = json.loads(self.request.body or b"{}").get("owner", "")
        except (ValueError, AttributeError):
            reason = "The request body must be a JSON object."
            raise tornado.web.HTTPError(400, reason=reason) from None
        if not isinstance(owner, str) or len(owner) > MAX_OWNER_CHARS:
            reason = f"The owner must be a str of at most {MAX_OWNER_CHARS} characters."
            raise tornado.web.HTTPError(400, reason=reason)
        lease.renew(owner)
        self.finish({"seconds": lease.seconds, "left": lease.left})


def write_private(path: Path, text: str) -> None:
    """Write a file that only this user can read. It appears whole or not at all.

    Raises:
        OSError: The file cannot be written.
    """
    partial = path.with_suffix(".new")
    fd = os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(fd, "w") as file:
        file.write(text)
    partial.rename(path)
