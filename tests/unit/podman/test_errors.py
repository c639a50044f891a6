"""Podman's errors as ours."""

import socket
from pathlib import Path
from types import SimpleNamespace

import podman.errors
import pytest
import requests
import urllib3
from ipybox_podman import sockets
from ipybox_podman.errors import engine_call, refused

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
def test_errors_of_the_engine(status: int, message: str, kind: type[BackendError]) -> None:
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
def test_too_few_ids_are_told_with_what_mends_it(message: str) -> None:
    error = refused("start x", 500, message)
    assert "`ipybox doctor` tells the command" in str(error)


def _all_errors(root: type[BaseException]) -> list[type[BaseException]]:
    return [root, *(found for child in root.__subclasses__() for found in _all_errors(child))]


def test_no_foreign_error_gets_out() -> None:
    """Each that the libraries below have, made without their constructors."""
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


def test_a_time_out_in_each_wrapping() -> None:
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


def test_the_order_of_sockets() -> None:
    assert sockets.named("unix:///a", {"CONTAINER_HOST": "unix:///b"}) == "unix:///a"
    assert sockets.named(None, {"CONTAINER_HOST": "unix:///b"}) == "unix:///b"
    assert sockets.named(None, {"CONTAINER_HOST": ""}) is None
    own = Path("/x/podman/podman.sock")
    system = Path("/run/podman/podman.sock")
    assert sockets.usual({"XDG_RUNTIME_DIR": "/x"}, 5)[0] == own
    assert sockets.usual({"XDG_RUNTIME_DIR": "/x"}, 5)[-1] == system
    assert sockets.usual({}, 5)[0] == Path("/run/user/5/podman/podman.sock")


def test_why_nobody_answers(tmp_path: Path) -> None:
    path = tmp_path / "s"
    assert sockets.why_not(path) == "no such socket"
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(path))
        assert sockets.why_not(path) == "nobody answers there"
        server.listen()
        assert sockets.why_not(path) is None
    (tmp_path / "file").write_text("")
    assert sockets.why_not(tmp_path / "file") == "it is no socket"
