"""Refuses requests that a web page may have sent, whatever its domain name resolves to."""

import ipaddress
from collections.abc import Collection
from typing import Any
from urllib.parse import urlsplit

import tornado.web
from tornado.httputil import HTTPServerRequest
from tornado.routing import AnyMatches, Matcher, Router, Rule, RuleRouter

HOSTS_VARIABLE = "IPYBOX_HOSTS"
"""Environment variable: names that clients may use for the gateway besides localhost, separated by
commas."""


class ForeignRequest(Matcher):
    """Matches a request whose Host is an unknown name, or whose Origin is not the gateway.

    The domain name of an attacker's page may resolve to this machine (DNS rebinding), but the
    page cannot prevent the browser from sending the name. Addresses cannot be rebound, so they are
    accepted.

    Args:
        hosts: Names that clients may use for the gateway, besides localhost.
    """

    def __init__(self, hosts: Collection[str]) -> None:
        self._hosts = {"localhost", *(host.lower() for host in hosts)}

    def match(self, request: HTTPServerRequest) -> dict[str, Any] | None:
        """Return {} for a foreign request, else None (see tornado.routing.Matcher)."""
        origin = request.headers.get("Origin")
        hosts = [f"//{request.headers.get('Host', '')}", *([origin] if origin else [])]
        if all(self._is_known(host) for host in hosts) and not self._crosses(request, origin):
            return None
        return {}

    def _is_known(self, url: str) -> bool:
        try:
            name = urlsplit(url).hostname
        except ValueError:
            return False
        return name is not None and (name in self._hosts or _is_address(name))

    def _crosses(self, request: HTTPServerRequest, origin: str | None) -> bool:
        return origin is not None and urlsplit(origin).netloc != request.headers.get("Host")


class ForbiddenHandler(tornado.web.RequestHandler):
    """Answers every request with 403."""

    def prepare(self) -> None:
        self.set_status(403)
        self.finish({
            "reason": "The Host or Origin header names a host that is not this gateway's. "
            "Use the gateway's address or localhost, or add the name to IPYBOX_HOSTS."
        })  # fmt: skip


def check_origin(
    application: Router | tornado.web.Application, hosts: Collection[str]
) -> RuleRouter:
    """Return a router that refuses foreign requests with 403 and passes on all others.

    Args:
        application: Receives the other requests.
        hosts: Names that clients may use for the gateway, besides localhost.
    """
    forbidden = tornado.web.Application([(r".*", ForbiddenHandler)])
    return RuleRouter([Rule(ForeignRequest(hosts), forbidden), Rule(AnyMatches(), application)])


def _is_address(name: str) -> bool:
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return True
