"""What a gateway, and what a kernel, is given when it starts."""

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
        """Return the object that a line of JSON describes.

        Raises:
            ValueError: The line is not a JSON object, or a value is not acceptable.
            TypeError: A field is missing or unknown.
        """
        values = json.loads(line)
        if not isinstance(values, dict):
            # No full stop: the host ends the sentence that it quotes this in.
            raise ValueError(f"{cls.__name__} must be a JSON object, got {type(values).__name__}")
        return cls(**values)

    def to_json(self) -> str:
        values: dict[str, Any] = dataclasses.asdict(self)  # type: ignore[call-overload]
        return json.dumps(values)


@dataclass(frozen=True, kw_only=True)
class GatewayConfig(_Json):
    """The gateway's configuration.

    It arrives on standard input: every process of the same user can read argv and the environment.

    Attributes:
        token: What clients authenticate with; at least MIN_TOKEN_CHARS characters.
        host: Address to listen on.
        port: TCP port to listen on; 0 lets the operating system choose.
        kernel_python: The interpreter for kernels; empty for the gateway's own.
        absence_seconds: Seconds after which a client that has not come back is forgotten.
        hosts: Names that clients may use for the gateway, besides addresses and localhost.
        contained: Whether the gateway is the container's only purpose. Then standard input may be
            closed; otherwise that stops the gateway.
        lease_seconds: Seconds that the container lives after its owner last renewed the lease;
            0 for no limit.
        run_folder: Folder for the token, where processes that attach find it; empty for none.
    """

    token: str = field(repr=False)
    host: str = "127.0.0.1"
    port: int = 0
    kernel_python: str = ""
    absence_seconds: float = 60.0
    hosts: list[str] = field(default_factory=list)
    contained: bool = False
    lease_seconds: float = 0.0
    run_folder: str = ""

    def __post_init__(self) -> None:
        if len(self.token) < MIN_TOKEN_CHARS:
            raise ValueError(
                f"token must have at least {MIN_TOKEN_CHARS} characters, got {len(self.token)}"
            )


@dataclass(frozen=True, kw_only=True)
class KernelLaunch(_Json):
    """How one kernel starts. Its file descriptors 1 and 2 already are the pipes to the gateway.

    Attributes:
        connection_file: Path of the kernel's connection file.
        secret: The secret in the marks of its output.
        cwd: Its working directory.
        env: Its whole environment.
    """

    connection_file: str
    secret: str = field(repr=False)
    cwd: str
    env: dict[str, str] = field(repr=False)
