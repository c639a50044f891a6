"""Renews a container's lease for as long as this process lives and needs the container."""

from __future__ import annotations

import logging
import threading
import time

from ipybox.errors import GatewayError
from ipybox.gateway.rest import Gateway
from ipybox.runtime.labels import Owner
from ipybox.spec.container import Endpoint

RENEWALS = 3
"""How often a lease is renewed within its duration, so that one or two renewals may fail."""
MAX_CALL_TIMEOUT = 10.0
"""In seconds."""

log = logging.getLogger(__name__)


class LeaseKeeper:
    """Renews a container's lease in a thread.

    With a thread, a program that blocks its event loop does not lose its container.

    Args:
        endpoint: The address and token of the container's gateway.
        seconds: The duration of the lease.
    """

    def __init__(self, endpoint: Endpoint, seconds: float) -> None:
        self._gateway = Gateway(endpoint.host, endpoint.port, endpoint.token)
        self._interval = seconds / RENEWALS
        self._stop = threading.Event()
        self._owner = str(Owner.current())
        self._thread = threading.Thread(target=self._run, name="ipybox lease", daemon=True)

    def start(self) -> None:
        """Start the thread. The first renewal is sent at once."""
        self._thread.start()

    def stop(self) -> None:
        """Stop without waiting. A call that is under way finishes in the background."""
        self._stop.set()

    def _run(self) -> None:
        # The first renewal is sent at once: a process that attaches to a container has to show
        # that the container has an owner again.
        while not self._stop.is_set():
            begun = time.monotonic()
            try:
                self._gateway.renew_lease(self._owner, min(self._interval, MAX_CALL_TIMEOUT))
            except GatewayError as error:
                if not self._stop.is_set():
                    log.warning("a lease was not renewed: %s", error)
            self._stop.wait(max(0.0, begun + self._interval - time.monotonic()))
