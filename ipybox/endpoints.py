"""The endpoints that this process has started, so that its clients find their token."""

from __future__ import annotations

import os

from ipybox.spec import Endpoint

TOKEN_VARIABLE = "IPYBOX_TOKEN"  # noqa: S105  # a name, no secret
_LOOPBACK = {"localhost", "127.0.0.1", "::1"}

_tokens: dict[tuple[str, int], str] = {}


def _address(host: str, port: int) -> tuple[str, int]:
    return ("localhost" if host.lower() in _LOOPBACK else host.lower(), port)


def remember(endpoint: Endpoint) -> None:
    _tokens[_address(endpoint.host, endpoint.port)] = endpoint.token


def forget(endpoint: Endpoint) -> None:
    """Leaves the entry of a later endpoint at the same address alone."""
    address = _address(endpoint.host, endpoint.port)
    if _tokens.get(address) == endpoint.token:
        del _tokens[address]


def find_token(host: str, port: int) -> str | None:
    """The token for an address: this process's own, then ``IPYBOX_TOKEN``, then None."""
    return _tokens.get(_address(host, port)) or os.environ.get(TOKEN_VARIABLE) or None
