"""Renews a container's lease, for as long as this process lives and wants it."""

from __future__ import annotations

import http.client
import json
import logging
import threading

from ipybox.labels import Owner
from ipybox.spec import Endpoint

LEASE_PATH = "/ipybox/v1/lease"
RENEWALS = 3
"""In the time of a lease: one or two may fail."""
MAX_CALL_SECONDS = 10.0

log = logging.getLogger(__name__)


class LeaseKeeper:
    """A thread, so that a program that blocks its event loop does not lose its container."""

    def __init__(self, endpoint: Endpoint, seconds: float) -> None:
        self._endpoint = endpoint
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
            try:
                self._renew()
            except (OSError, http.client.HTTPException) as error:
                if not self._stop.is_set():
                    log.warning("the lease of %r was not renewed: %s", self._endpoint, error)
            self._stop.wait(self._interval)

    def _renew(self) -> None:
        connection = http.client.HTTPConnection(
            self._endpoint.host, self._endpoint.port, timeout=min(self._interval, MAX_CALL_SECONDS)
        )
        try:
            body = json.dumps({"owner": self._owner})
            headers = {
                "Authorization": f"token {self._endpoint.token}",
                "Content-Type": "application/json",
            }
            connection.request("POST", LEASE_PATH, body=body, headers=headers)
            response = connection.getresponse()
            if response.status != http.client.OK:
                raise http.client.HTTPException(f"the answer was {response.status}")
        finally:
            connection.close()
