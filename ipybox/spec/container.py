"""The specification of a container: plain data, checked when it is constructed."""

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
from ipybox.validation import (
    check_bool,
    check_env,
    check_port,
    check_sequence,
    check_timeout,
    describe,
    is_valid_unicode,
)

TOKEN_BYTES = 32
"""Random bytes in a generated token (256 bits)."""

DEFAULT_TAG = "gradion/ipybox"
MAX_PATH_CHARS = 1000
MAX_NAME_BYTES = 255
DEFAULT_LEASE_SECONDS = 60.0
MIN_LEASE_SECONDS = 1.0
CONTAINER_NAME = re.compile(r"[a-zA-Z0-9][a-zA-Z0-9_.-]{1,127}")
USER = re.compile(r"[a-zA-Z0-9_.-]+(:[a-zA-Z0-9_.-]+)?")


@dataclass(frozen=True, kw_only=True)
class Bind:
    """A host folder that is mounted inside the container.

    Attributes:
        host_path: Folder on the host, absolute or relative to the current directory. It is
            created when the container starts, if it does not exist.
        container_path: Where the folder appears, relative to the working directory ``/app``;
            at most 1000 characters, and 255 bytes between two slashes.
        read_only: Whether the container may only read it. Default: False.

    Raises:
        InvalidArgumentError: If a path has the wrong type, contains NUL or is not valid Unicode;
            if ``container_path`` is empty, absolute or too long, or contains ``..``.
    """

    host_path: Path
    container_path: str
    read_only: bool = False

    def __post_init__(self) -> None:
        if not isinstance(self.container_path, str) or not isinstance(self.host_path, Path):
            raise InvalidArgumentError(
                f"Bind {self.host_path!r} -> {self.container_path!r}: the paths must be a Path "
                f"(host_path) and a str (container_path), got {type(self.host_path).__name__} "
                f"and {type(self.container_path).__name__}."
            )
        bind = f"Bind {str(self.host_path)!r} -> {self.container_path!r}"
        path = PurePosixPath(self.container_path)
        if "\0" in self.container_path or "\0" in str(self.host_path):
            raise InvalidArgumentError(f"{bind}: a path must not contain a NUL character.")
        if not is_valid_unicode(self.container_path) or not is_valid_unicode(str(self.host_path)):
            raise InvalidArgumentError(
                f"{bind}: a path must be valid Unicode, got a lone surrogate."
            )
        if len(self.container_path) > MAX_PATH_CHARS or any(
            len(part.encode()) > MAX_NAME_BYTES for part in path.parts
        ):
            raise InvalidArgumentError(
                f"Bind to {self.container_path[:40]!r}…: container_path may have at most "
                f"{MAX_PATH_CHARS} characters, and {MAX_NAME_BYTES} bytes between two slashes."
            )
        if path.is_absolute():
            raise InvalidArgumentError(
                f"{bind}: container_path must be relative to {WORKDIR}. "
                f"Write {str(path).lstrip('/')!r}."
            )
        if ".." in path.parts:
            raise InvalidArgumentError(
                f"{bind}: container_path may not leave {WORKDIR}. Remove the '..'."
            )
        if not path.parts:
            raise InvalidArgumentError(
                f"{bind}: container_path is empty. Name a folder below {WORKDIR}."
            )


@dataclass(frozen=True, kw_only=True)
class Endpoint:
    """Where the gateway of a container answers.

    Attributes:
        host: Host name or IP address.
        port: TCP port.
        token: The token that the gateway requires. It is left out of the repr.
    """

    host: str
    port: int
    token: str = field(repr=False)


@dataclass(frozen=True, kw_only=True)
class ContainerSpec:
    """Everything that a backend needs to create a container.

    Attributes:
        tag: Name of the image. Default: ``gradion/ipybox``.
        binds: Host folders to mount.
        env: Environment variables of the container. They are left out of the repr.
        port: Host port of the gateway; None lets the system choose a free one.
        ports: Further ports to publish.
        resources: Limits; None for the backend's defaults.
        labels: Labels of the container. Keys that start with ``ipybox.`` are reserved.
        user: User, and optionally group, that the code runs as: names or ids, as in
            ``"1000:1000"``. None for the user of the image.
        gpus: GPUs to pass through: ``"all"``, a number, or ids separated by commas. None for
            none.
        runtime: OCI runtime that runs the container; None for the engine's default.
        engine_init: Whether the engine's own init becomes process 1. Default: False.
        read_only_root: Whether the root file system is read-only. Default: False.
        lease: Seconds that the container lives on without its owner, at least 1; None for
            ever. Default: 60.
        strict: Whether the start fails if something that was asked for is not enforced.
            Default: False.
        port_timeout: Seconds from the start until the gateway's port is known. Default: 10.
        start_timeout: Seconds from the start until the gateway answers. Default: 60.
        name: Name of the container, 2 to 128 characters. It is chosen before the engine is
            asked for anything, so that the container can be found and removed whatever
            happens. Default: ``ipybox-`` and 12 random hexadecimal digits.
        token: The token that the gateway requires. Default: a random one. It is left out of
            the repr.

    Raises:
        InvalidArgumentError: If a value has the wrong type or is out of range; if two binds
            have the same container path, or one inside the other; if two ports are the same,
            or one is the gateway's.
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
            raise InvalidArgumentError(
                f"tag must be the name of an image, got {describe(self.tag)}."
            )
        if self.port is not None:
            check_port(self.port)
        check_timeout("port_allocation_timeout", self.port_timeout)
        check_timeout("start_timeout", self.start_timeout)
        check_env(self.env)
        _check_targets(self.binds)
        _check_ports(self.ports)
        if self.resources is not None and not isinstance(self.resources, Resources):
            raise InvalidArgumentError(
                f"resources must be None or a Resources, got {describe(self.resources)}."
            )
        _check_identity(self)
        if self.runtime is not None and not (isinstance(self.runtime, str) and self.runtime):
            raise InvalidArgumentError(
                f"runtime must be None or a non-empty str, got {describe(self.runtime)}."
            )
        for name in ("engine_init", "read_only_root", "strict"):
            check_bool(name, getattr(self, name))
        if self.lease is not None:
            check_timeout("lease", self.lease)
            if self.lease < MIN_LEASE_SECONDS:
                raise InvalidArgumentError(
                    f"lease must be None or at least {MIN_LEASE_SECONDS} s, got {self.lease!r}."
                )


def parse_binds(binds: Mapping[str, str] | Sequence[Bind] | None) -> tuple[Bind, ...]:
    """Convert the ``binds`` argument to Bind objects.

    Args:
        binds: A mapping of host paths to container paths, a sequence of Bind, or None. ``~`` in
            a host path is expanded.

    Returns:
        The binds, in their order; empty for None.

    Raises:
        InvalidArgumentError: If ``binds`` has another type, a host path is empty or cannot be
            expanded, or a path is not valid for a Bind.
    """
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
        "binds must be a mapping of host paths to container paths, or a list of Bind, "
        f"got {describe(binds)}."
    )


def _host_path(value: str | os.PathLike[str]) -> Path:
    if not str(value).strip():  # Path("") would be the current directory
        raise InvalidArgumentError("The host path of a bind must not be empty.")
    try:
        return Path(value).expanduser()
    except (TypeError, RuntimeError) as error:
        raise InvalidArgumentError(
            f"The host path of a bind is invalid: {value!r}: {error}"
        ) from error


def _check_targets(binds: tuple[Bind, ...]) -> None:
    taken: dict[PurePosixPath, Bind] = {}
    for bind in binds:
        target = PurePosixPath(bind.container_path)
        for other in taken:
            if target == other:
                raise InvalidArgumentError(
                    f"Binds {str(taken[other].host_path)!r} and {str(bind.host_path)!r} share "
                    f"the container path {bind.container_path!r}. Give each its own."
                )
            if target.is_relative_to(other) or other.is_relative_to(target):
                raise InvalidArgumentError(
                    f"The container paths {str(target)!r} and {str(other)!r} of two binds lie "
                    "inside each other. Choose paths side by side."
                )
        taken[target] = bind


def _check_ports(ports: tuple[Port, ...]) -> None:
    check_sequence("ports", ports, "Port")
    taken = set()
    for port in ports:
        if not isinstance(port, Port):
            raise InvalidArgumentError(f"ports must hold Port objects, got {describe(port)}.")
        key = (port.container_port, port.protocol)
        if key == (GATEWAY_PORT, "tcp"):
            raise InvalidArgumentError(
                f"ports must not hold {GATEWAY_PORT}/tcp: it is the gateway's own port. "
                "To choose the gateway's port on the host, pass `port`."
            )
        if key in taken:
            raise InvalidArgumentError(
                f"ports must not hold {port.container_port}/{port.protocol} twice."
            )
        taken.add(key)


def _check_identity(spec: ContainerSpec) -> None:
    """Check name, labels, user and GPUs."""
    if not isinstance(spec.name, str) or not CONTAINER_NAME.fullmatch(spec.name):
        raise InvalidArgumentError(
            "name must be 2 to 128 letters, digits, '_', '.' and '-', starting with a letter or "
            f"digit, got {describe(spec.name)}."
        )
    if not isinstance(spec.labels, Mapping):
        raise InvalidArgumentError(
            f"labels must be a mapping of str to str, got {describe(spec.labels)}."
        )
    for key, value in spec.labels.items():
        if not isinstance(key, str) or not isinstance(value, str) or not key:
            raise InvalidArgumentError(
                "labels must map non-empty str to str, got "
                f"{describe(key)} mapped to {type(value).__name__}."
            )
        if key.startswith("ipybox."):
            raise InvalidArgumentError(
                f"labels must not hold {key!r}: names that start with 'ipybox.' are reserved."
            )
    if spec.user is not None and not (isinstance(spec.user, str) and USER.fullmatch(spec.user)):
        raise InvalidArgumentError(
            f"user must be a name or id, as in '1000:1000', got {describe(spec.user)}."
        )
    gpus = spec.gpus
    below_one = isinstance(gpus, int) and gpus < 1
    if gpus is not None and (isinstance(gpus, bool) or gpus == "" or below_one):
        raise InvalidArgumentError(
            "gpus must be 'all', a number above 0, or ids separated by commas, "
            f"got {describe(gpus)}."
        )


def resolve_binds(spec: ContainerSpec) -> ContainerSpec:
    """Make the host paths of all binds absolute and create missing folders.

    Args:
        spec: The spec; it is left unchanged.

    Returns:
        A copy with absolute host paths.

    Raises:
        InvalidArgumentError: If a folder does not exist and cannot be created.
    """
    binds = []
    for bind in spec.binds:
        path = bind.host_path.absolute()
        try:
            path.mkdir(parents=True, exist_ok=True)
        except FileExistsError:
            pass  # a file, which is bound as it is
        except OSError as error:
            raise InvalidArgumentError(
                f"The host folder {str(bind.host_path)!r} of a bind does not exist and can't be "
                f"made: {error}."
            ) from error
        binds.append(dataclasses.replace(bind, host_path=path))
    return dataclasses.replace(spec, binds=tuple(binds))
