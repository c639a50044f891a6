"""Refuses hosts that speak another protocol version than this runtime."""

from typing import Any

import tornado.web
from tornado.httputil import HTTPServerRequest
from tornado.routing import AnyMatches, Matcher, Rule, RuleRouter

from ipybox_runtime import PROTOCOL, RUNTIME_VERSION

VERSION_HEADER = "X-Ipybox-Version"
"""Header of requests and responses: ``<version>; <protocol number>`` of their sender."""


class OtherProtocol(Matcher):
    """Matches a request of an ipybox that speaks another protocol than this runtime."""

    def match(self, request: HTTPServerRequest) -> dict[str, Any] | None:
        """Return {} for such a request, else None (see tornado.routing.Matcher)."""
        header = request.headers.get(VERSION_HEADER)
        if header is None:
            return None  # a plain Jupyter client
        protocol = header.partition(";")[2]
        if protocol.strip() == str(PROTOCOL):
            return None
        return {}


class UpgradeRequiredHandler(tornado.web.RequestHandler):
    """Answers every request with 426 and both versions."""

    def initialize(self) -> None:
        self.set_header(VERSION_HEADER, f"{RUNTIME_VERSION}; {PROTOCOL}")

    def prepare(self) -> None:
        host = self.request.headers.get(VERSION_HEADER, "")
        self.set_status(426)
        self.finish({
            "reason": "Host and runtime speak different protocol versions: the host is ipybox "
            f"{host[:60]!r}, this runtime '{RUNTIME_VERSION}; {PROTOCOL}'. "
            "Use an image that was built for the host's version."
        })  # fmt: skip


def check_version(application: tornado.web.Application) -> RuleRouter:
    """Return a router that refuses other protocols with 426 and passes on all other requests."""
    refused = tornado.web.Application([(r".*", UpgradeRequiredHandler)])
    return RuleRouter([Rule(OtherProtocol(), refused), Rule(AnyMatches(), application)])
