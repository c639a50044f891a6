"""How Podman's errors become errors of ipybox, and why a socket is unreachable."""

import socket
from pathlib import Path
from types import SimpleNamespace

import podman.errors
import pytest
import requests
import urllib3
from ipybox_podman import sockets
from ipybox_podman.errors import engine_call, map_podman_error

import ipybox
from ipybox import BackendError, BackendUnavailableError
from ipybox.errors import (
    ContainerNotFoundError,
    EngineGoneError,
    EngineTimeoutError,
    NameTakenError,
    PortTakenError,
)


@pytest.mark.parametrize(
    ("status", "message", "kind"),
    [
        (500, "rootlessport listen tcp 127.0.0.1:80: bind: address already in use", PortTakenError),
        (500, 'the container name "x" is already in use by 1c', NameTakenError),
        (500, 'container name "x" is in use: container already exists', NameTakenError),
        (500, "writing blob: no space left on device", BackendError),
        (404, 'no container with name or ID "x" found: no such container', ContainerNotFoundError),
        (500, "container 1c does not exist in database: no such container", ContainerNotFoundError),
        (404, "failed to find image x: x: image not known", ipybox.errors.ImageNotFoundError),
        (404, "no such image", ipybox.errors.ImageNotFoundError),
        (500, "localhost/x: image not known", ipybox.errors.ImageNotFoundError),
        (403, "no", BackendUnavailableError),
        (500, "whatever", BackendError),
    ],
)
def test_each_engine_error_becomes_its_ipybox_error(
    status: int, message: str, kind: type[BackendError]
) -> None:
    response = SimpleNamespace(status_code=status)
    with pytest.raises(BackendError) as caught, engine_call("do it", 1):
        raise podman.errors.APIError("cause", response=response, explanation=message)
    assert type(caught.value) is kind
    assert message in str(caught.value)


@pytest.mark.parametrize(
    "message",
    [
        "potentially insufficient UIDs or GIDs available in user",
        "runc: runc create failed: unable to start container process: unable to setup user: "
        "invalid argument: OCI runtime error",
        "crun: cannot setresgid to 1000: Invalid argument: OCI runtime error",
    ],
)
def test_too_few_subordinate_ids_come_with_a_remedy(message: str) -> None:
    error = map_podman_error("start x", 500, message)
    assert "`ipybox doctor` shows the command" in str(error)


def _all_errors(root: type[BaseException]) -> list[type[BaseException]]:
    return [root, *(found for child in root.__subclasses__() for found in _all_errors(child))]


def test_no_foreign_error_escapes() -> None:
    """Every error class of the libraries is tried, built without its constructor."""
    roots = [podman.errors.PodmanError, requests.RequestException, urllib3.exceptions.HTTPError]
    kinds = [kind for root in roots for kind in _all_errors(root)]
    assert len(kinds) > 40
    for kind in kinds:
        with pytest.raises(BackendError), engine_call("do it", 1):
            raise type(kind.__name__, (kind,), {"__init__": _init, "__str__": _text})()


def _init(self: BaseException) -> None:
    self.response = None  # type: ignore[attr-defined]  # as podman-py has it
    self.explanation = "m"  # type: ignore[attr-defined]  # as podman-py has it


def _text(self: BaseException) -> str:
    return "m"


def test_a_timeout_is_recognised_in_every_wrapping() -> None:
    wrapped = podman.errors.APIError("url", explanation="failed")
    wrapped.__cause__ = requests.ReadTimeout("read")
    for error in (wrapped, requests.ConnectTimeout("x"), TimeoutError()):
        with (
            pytest.raises(EngineTimeoutError, match="did not do it within 3 s"),
            engine_call("do it", 3),
        ):
            raise error
    with pytest.raises(EngineGoneError, match="can't be reached"), engine_call("do it", 3):
        raise podman.errors.APIError("url", explanation="failed") from OSError("refused")


def test_sockets_are_tried_in_the_documented_order() -> None:
    assert sockets.configured_url("unix:///a", {"CONTAINER_HOST": "unix:///b"}) == "unix:///a"
    assert sockets.configured_url(None, {"CONTAINER_HOST": "unix:///b"}) == "unix:///b"
    assert sockets.configured_url(None, {"CONTAINER_HOST": ""}) is None
    own = Path("/x/podman/podman.sock")
    system = Path("/run/podman/podman.sock")
    assert sockets.default_paths({"XDG_RUNTIME_DIR": "/x"}, 5)[0] == own
    assert sockets.default_paths({"XDG_RUNTIME_DIR": "/x"}, 5)[-1] == system
    assert sockets.default_paths({}, 5)[0] == Path("/run/user/5/podman/podman.sock")


def test_an_unreachable_socket_gives_its_reason(tmp_path: Path) -> None:
    path = tmp_path / "s"
    assert sockets.why_unreachable(path) == "no such socket"
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(path))
        assert sockets.why_unreachable(path) == "no process is listening there"
        server.listen()
        assert sockets.why_unreachable(path) is None
    (tmp_path / "file").write_text("")
    assert sockets.why_unreachable(tmp_path / "file") == "not a socket"
