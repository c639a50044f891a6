"""Host and runtime tell each other what they speak."""

from typing import Any

import tornado.web
from tornado.httputil import HTTPServerRequest
from tornado.routing import AnyMatches, Matcher, Rule, RuleRouter

from ipybox_runtime import PROTOCOL, RUNTIME_VERSION

VERSION_HEADER = "X-Ipybox-Version"
"""Both ways: ``<version>; <protocol number>``."""


class OtherProtocol(Matcher):
    """Matches a request of an ipybox that speaks another protocol than this runtime."""

    def match(self, request: HTTPServerRequest) -> dict[str, Any] | None:
        header = request.headers.get(VERSION_HEADER)
        if header is None:
            return None  # a plain Jupyter client
        protocol = header.partition(";")[2]
        if protocol.strip() == str(PROTOCOL):
            return None
        return {}


class Misfit(tornado.web.RequestHandler):
    """Answers 426, with both versions."""

    def initialize(self) -> None:
        self.set_header(VERSION_HEADER, f"{RUNTIME_VERSION}; {PROTOCOL}")

    def prepare(self) -> None:
        host = self.request.headers.get(VERSION_HEADER, "")
        self.set_status(426)
        self.finish({
            "reason": f"host and runtime do not fit: the host speaks ipybox {host[:60]!r}, this "
            f"runtime '{RUNTIME_VERSION}; {PROTOCOL}'. Use an image made for the host's version."
        })  # fmt: skip


def version_check(application: tornado.web.Application) -> RuleRouter:
    misfits = tornado.web.Application([(r".*", Misfit)])
    return RuleRouter([Rule(OtherProtocol(), misfits), Rule(AnyMatches(), application)])
