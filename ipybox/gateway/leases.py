"""Renews a container's lease, for as long as this process lives and wants it."""

from __future__ import annotations

import logging
import threading
import time

from ipybox.errors import GatewayError
from ipybox.gateway.rest import Gateway
from ipybox.runtime.labels import Owner
from ipybox.spec.container import Endpoint

RENEWALS = 3
"""In the time of a lease: one or two may fail."""
MAX_CALL_SECONDS = 10.0

log = logging.getLogger(__name__)


class LeaseKeeper:
    """A thread, so that a program that blocks its event loop does not lose its container."""

    def __init__(self, endpoint: Endpoint, seconds: float) -> None:
        self._gateway = Gateway(endpoint.host, endpoint.port, endpoint.token)
        self._interval = seconds / RENEWALS
        self._stop = threading.Event()
        self._owner = str(Owner.current())
        self._thread = threading.Thread(target=self._run, name="ipybox lease", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        """Ends it without waiting: a call that is under way ends by itself."""
        self._stop.set()

    def _run(self) -> None:
        # At once: who attaches to a container has to show that it is held.
        while not self._stop.is_set():
            begun = time.monotonic()
            try:
                self._gateway.renew_lease(self._owner, min(self._interval, MAX_CALL_SECONDS))
            except GatewayError as error:
                if not self._stop.is_set():
                    log.warning("a lease was not renewed: %s", error)
            self._stop.wait(max(0.0, begun + self._interval - time.monotonic()))
