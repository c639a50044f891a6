"""What a gateway, and what a kernel, has to know before it starts."""

import dataclasses
import json
from dataclasses import dataclass, field
from typing import Any, Self

MIN_TOKEN_CHARS = 32
MAX_LAUNCH_BYTES = 64 * 1024


class _Json:
    """A dataclass that travels as one line of JSON."""

    @classmethod
    def from_json(cls, line: str) -> Self:
        """Reads it. Raises ValueError or TypeError for an unusable one."""
        values = json.loads(line)
        if not isinstance(values, dict):
            raise ValueError(f"a {cls.__name__} must be a JSON object")
        return cls(**values)

    def to_json(self) -> str:
        values: dict[str, Any] = dataclasses.asdict(self)  # type: ignore[call-overload]
        return json.dumps(values)


@dataclass(frozen=True, kw_only=True)
class GatewayConfig(_Json):
    """It is handed over on standard input, because argv and the environment can be
    read by every process of the same user."""

    token: str = field(repr=False)
    host: str = "127.0.0.1"
    port: int = 0  # 0: the operating system chooses
    kernel_python: str = ""  # the interpreter for kernels; empty: the gateway's own
    absence_seconds: float = 60.0  # how long a client may be away before it is forgotten
    hosts: list[str] = field(default_factory=list)  # names that clients may use for it
    contained: bool = False  # it is all that the container is for; standard input may end
    lease_seconds: float = 0.0  # how long it lives without its owner; 0: for ever
    run_folder: str = ""  # where the token is found by who attaches; empty: nowhere

    def __post_init__(self) -> None:
        if len(self.token) < MIN_TOKEN_CHARS:
            raise ValueError(f"a token of at least {MIN_TOKEN_CHARS} characters is needed")


@dataclass(frozen=True, kw_only=True)
class KernelLaunch(_Json):
    """How one kernel starts. File descriptors 1 and 2 lead to the gateway already."""

    connection_file: str
    secret: str = field(repr=False)
    cwd: str
    env: dict[str, str] = field(repr=False)
