"""What a container shall be: data, checked on construction, without an engine."""

from __future__ import annotations

import dataclasses
import os
import re
import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath

from ipybox.errors import InvalidArgumentError
from ipybox.spec.paths import GATEWAY_PORT, WORKDIR
from ipybox.spec.resources import Port, Resources
from ipybox.validation import check_env, check_port, check_timeout, is_valid_unicode

TOKEN_BYTES = 32
"""256 random bits."""

DEFAULT_TAG = "gradion/ipybox"
MAX_PATH = 1000
MAX_NAME = 255
DEFAULT_LEASE_SECONDS = 60.0
MIN_LEASE_SECONDS = 1.0
CONTAINER_NAME = re.compile(r"[a-zA-Z0-9][a-zA-Z0-9_.-]{1,127}")
USER = re.compile(r"[a-zA-Z0-9_.-]+(:[a-zA-Z0-9_.-]+)?")


@dataclass(frozen=True, kw_only=True)
class Bind:
    """A host folder inside the container.

    ``host_path`` is absolute or relative to the current directory, and made if
    missing. ``container_path`` is relative to the working directory ``/app``.
    """

    host_path: Path
    container_path: str
    read_only: bool = False

    def __post_init__(self) -> None:
        if not isinstance(self.container_path, str) or not isinstance(self.host_path, Path):
            raise InvalidArgumentError(
                f"bind {self.host_path!r} -> {self.container_path!r}: both must be paths."
            )
        found = f"bind {str(self.host_path)!r} -> {self.container_path!r}"
        path = PurePosixPath(self.container_path)
        if "\0" in self.container_path or "\0" in str(self.host_path):
            raise InvalidArgumentError(f"{found}: a path has no NUL character.")
        if not is_valid_unicode(self.container_path) or not is_valid_unicode(str(self.host_path)):
            raise InvalidArgumentError(f"{found}: a path must be Unicode text.")
        if len(self.container_path) > MAX_PATH or any(
            len(part.encode()) > MAX_NAME for part in path.parts
        ):
            raise InvalidArgumentError(
                f"bind to {self.container_path[:40]!r}…: a path has at most {MAX_PATH} "
                f"characters, and {MAX_NAME} bytes between two slashes."
            )
        if path.is_absolute():
            raise InvalidArgumentError(
                f"{found}: the container path must be relative; it is placed below {WORKDIR}. "
                f"Write {str(path).lstrip('/')!r}."
            )
        if ".." in path.parts:
            raise InvalidArgumentError(f"{found}: the container path may not leave {WORKDIR}.")
        if not path.parts:
            raise InvalidArgumentError(
                f"{found}: the container path is empty; name a folder below {WORKDIR}."
            )


@dataclass(frozen=True, kw_only=True)
class Endpoint:
    """Where a container's gateway answers. The token is in no repr."""

    host: str
    port: int
    token: str = field(repr=False)


@dataclass(frozen=True, kw_only=True)
class ContainerSpec:
    """All that a backend needs to make a container.

    ``name`` is chosen before the engine is asked for anything, so that whatever
    happens can be found and removed. ``port`` is the host port of the gateway,
    None for one that the system chooses. ``start_timeout`` is in seconds, from
    the start until the gateway answers; ``port_timeout`` until its port is known.
    ``lease``: seconds that the container lives on without its owner, None for ever.
    """

    tag: str = DEFAULT_TAG
    binds: tuple[Bind, ...] = ()
    env: Mapping[str, str] = field(default_factory=dict, repr=False)
    port: int | None = None
    ports: tuple[Port, ...] = ()
    resources: Resources | None = None
    labels: Mapping[str, str] = field(default_factory=dict)
    user: str | None = None
    gpus: str | int | None = None
    runtime: str | None = None
    engine_init: bool = False
    read_only_root: bool = False
    lease: float | None = DEFAULT_LEASE_SECONDS
    strict: bool = False
    port_timeout: float = 10.0
    start_timeout: float = 60.0
    name: str = field(default_factory=lambda: f"ipybox-{secrets.token_hex(6)}")
    token: str = field(default_factory=lambda: secrets.token_urlsafe(TOKEN_BYTES), repr=False)

    def __post_init__(self) -> None:
        if not isinstance(self.tag, str) or not self.tag.strip():
            raise InvalidArgumentError(f"tag is {self.tag!r}; it must name an image.")
        if self.port is not None:
            check_port(self.port)
        check_timeout("port_allocation_timeout", self.port_timeout)
        check_timeout("start_timeout", self.start_timeout)
        check_env(self.env)
        _check_targets(self.binds)
        _check_ports(self.ports)
        _check_identity(self)
        if self.lease is not None:
            check_timeout("lease", self.lease)
            if self.lease < MIN_LEASE_SECONDS:
                raise InvalidArgumentError(
                    f"lease is {self.lease!r}; it must be at least {MIN_LEASE_SECONDS} s, or None."
                )


def parse_binds(binds: Mapping[str, str] | Sequence[Bind] | None) -> tuple[Bind, ...]:
    """Binds as people write them: a mapping of host path to container path, or Binds."""
    if binds is None:
        return ()
    if isinstance(binds, Mapping):
        return tuple(
            Bind(host_path=_host_path(host), container_path=target)
            for host, target in binds.items()
        )
    if isinstance(binds, Sequence) and all(isinstance(bind, Bind) for bind in binds):
        return tuple(binds)
    raise InvalidArgumentError(
        f"binds is {binds!r}; it must map host paths to container paths, or be a list of Bind."
    )


def _host_path(value: str | os.PathLike[str]) -> Path:
    if not str(value).strip():  # Path("") would be the current directory
        raise InvalidArgumentError("a bind's host path is empty.")
    try:
        return Path(value).expanduser()
    except (TypeError, RuntimeError) as error:
        raise InvalidArgumentError(f"bind host path {value!r}: {error}") from error


def _check_targets(binds: tuple[Bind, ...]) -> None:
    taken: dict[PurePosixPath, Bind] = {}
    for bind in binds:
        target = PurePosixPath(bind.container_path)
        for other in taken:
            if target == other:
                raise InvalidArgumentError(
                    f"binds {str(taken[other].host_path)!r} and {str(bind.host_path)!r} share "
                    f"the container path {bind.container_path!r}; give each its own."
                )
            if target.is_relative_to(other) or other.is_relative_to(target):
                raise InvalidArgumentError(
                    f"container path {str(target)!r} and {str(other)!r} lie inside each other; "
                    "bind them side by side."
                )
        taken[target] = bind


def _check_ports(ports: tuple[Port, ...]) -> None:
    taken = set()
    for port in ports:
        if not isinstance(port, Port):
            raise InvalidArgumentError(f"ports holds {port!r}; it must hold Port objects.")
        if (port.container_port, port.protocol) == (GATEWAY_PORT, "tcp"):
            raise InvalidArgumentError(
                f"ports: {GATEWAY_PORT} is the gateway's own; `port` chooses its host port."
            )
        if (key := (port.container_port, port.protocol)) in taken:
            raise InvalidArgumentError(f"ports: {port.container_port} is there twice.")
        taken.add(key)


def _check_identity(spec: ContainerSpec) -> None:
    """Name, labels, user, devices."""
    if not isinstance(spec.name, str) or not CONTAINER_NAME.fullmatch(spec.name):
        raise InvalidArgumentError(
            f"name is {spec.name!r}; it must be letters, digits, '_', '.' and '-', 2 to 128 "
            "of them, with a letter or digit first."
        )
    for key, value in spec.labels.items():
        if not isinstance(key, str) or not isinstance(value, str) or not key:
            raise InvalidArgumentError(f"labels: {key!r}: name and value must be texts.")
        if key.startswith("ipybox."):
            raise InvalidArgumentError(f"labels: {key!r}: names with 'ipybox.' are ours.")
    if spec.user is not None and not (isinstance(spec.user, str) and USER.fullmatch(spec.user)):
        raise InvalidArgumentError(
            f"user is {spec.user!r}; it must be a name or number, as in '1000:1000'."
        )
    gpus = spec.gpus
    if gpus is not None and (isinstance(gpus, bool) or gpus in ("", 0)):
        raise InvalidArgumentError(
            f"gpus is {gpus!r}; it must be 'all', how many, or ids with commas between them."
        )
    if isinstance(gpus, int) and gpus < 0:
        raise InvalidArgumentError(f"gpus is {gpus}; it must be above 0.")


def resolve_binds(spec: ContainerSpec) -> ContainerSpec:
    """The spec with absolute host paths, each of them made if it was missing."""
    binds = []
    for bind in spec.binds:
        path = bind.host_path.absolute()
        try:
            path.mkdir(parents=True, exist_ok=True)
        except FileExistsError:
            pass  # a file: bound as it is
        except OSError as error:
            raise InvalidArgumentError(
                f"bind {str(bind.host_path)!r}: it does not exist and can't be made: {error}."
            ) from error
        binds.append(dataclasses.replace(bind, host_path=path))
    return dataclasses.replace(spec, binds=tuple(binds))
