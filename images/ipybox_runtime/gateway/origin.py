"""Refuses requests that a web page may have sent, whatever its name resolves to."""

import ipaddress
from collections.abc import Collection
from typing import Any
from urllib.parse import urlsplit

import tornado.web
from tornado.httputil import HTTPServerRequest
from tornado.routing import AnyMatches, Matcher, Router, Rule, RuleRouter

HOSTS_VARIABLE = "IPYBOX_HOSTS"
"""Names, with commas between them, that clients may use for the gateway besides localhost."""


class ForeignRequest(Matcher):
    """Matches a request whose Host is a name that is not ours, or with a foreign Origin.

    A page of an attacker's domain may let its name resolve to this machine (DNS
    rebinding), but can't help that the browser names the domain. Addresses can't be
    rebound, so that they are let through.
    """

    def __init__(self, hosts: Collection[str]) -> None:
        self._hosts = {"localhost", *(host.lower() for host in hosts)}

    def match(self, request: HTTPServerRequest) -> dict[str, Any] | None:
        origin = request.headers.get("Origin")
        hosts = [f"//{request.headers.get('Host', '')}", *([origin] if origin else [])]
        if all(self._is_ours(host) for host in hosts) and not self._crosses(request, origin):
            return None
        return {}

    def _is_ours(self, url: str) -> bool:
        try:
            name = urlsplit(url).hostname
        except ValueError:
            return False
        return name is not None and (name in self._hosts or _is_address(name))

    def _crosses(self, request: HTTPServerRequest, origin: str | None) -> bool:
        return origin is not None and urlsplit(origin).netloc != request.headers.get("Host")


class Refusal(tornado.web.RequestHandler):
    """Answers 403, whatever was asked."""

    def prepare(self) -> None:
        self.set_status(403)
        self.finish({
            "reason": "Host or Origin is none of this gateway's. "
            "Use its address or localhost, or add the name to IPYBOX_HOSTS."
        })  # fmt: skip


def guarded(application: Router | tornado.web.Application, hosts: Collection[str]) -> RuleRouter:
    refusals = tornado.web.Application([(r".*", Refusal)])
    return RuleRouter([Rule(ForeignRequest(hosts), refusals), Rule(AnyMatches(), application)])


def _is_address(name: str) -> bool:
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return True
