"""``POST /ipybox/v1/lease``: the owner says that it lives."""

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


class Lease:
    """What is renewed. Process 1 holds the clock; here it is told.

    The file ``lease`` in the run folder says who has renewed it last, for a sweep that
    wants to know whether anybody still holds a container of a dead owner.
    """

    def __init__(self, seconds: float, fd: int | None, run_folder: Path | None) -> None:
        self.seconds = seconds
        self._fd = fd
        self._run_folder = run_folder
        self._renewed = time.monotonic()
        self._owner = ""

    @property
    def left(self) -> float | None:
        """Seconds; None without a lease."""
        if not self.seconds:
            return None
        return max(0.0, self.seconds - (time.monotonic() - self._renewed))

    def begin(self) -> None:
        """The clock starts: from now on it can be renewed."""
        self._renewed = time.monotonic()
        if self._fd is not None:
            with contextlib.suppress(OSError):
                os.write(self._fd, b".")

    def renew(self, owner: str) -> None:
        self.begin()
        if owner != self._owner and self._run_folder is not None:
            self._owner = owner
            with contextlib.suppress(OSError):
                write_private(self._run_folder / "lease", owner)


class LeaseHandler(TokenAuthorizationMixin, JSONErrorsMixin, APIHandler):  # type: ignore[misc]
    @tornado.web.authenticated
    def post(self) -> None:
        lease: Lease = self.settings["ipybox_lease"]
        try:
            owner = json.loads(self.request.body or b"{}").get("owner", "")
        except (ValueError, AttributeError):
            raise tornado.web.HTTPError(400, reason="The body is no JSON object") from None
        if not isinstance(owner, str) or len(owner) > MAX_OWNER_CHARS:
            raise tornado.web.HTTPError(400, reason="The owner is no short text")
        lease.renew(owner)
        self.finish({"seconds": lease.seconds, "left": lease.left})


def write_private(path: Path, text: str) -> None:
    """A file for this user alone, whole or not at all."""
    partial = path.with_suffix(".new")
    fd = os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(fd, "w") as file:
        file.write(text)
    partial.rename(path)
