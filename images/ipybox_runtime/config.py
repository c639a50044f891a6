"""The gateway's configuration, as it is handed over on standard input."""

import json
from dataclasses import dataclass, field

MIN_TOKEN_CHARS = 32


@dataclass(frozen=True, kw_only=True)
class GatewayConfig:
    """What a gateway has to know before it starts.

    It travels as one line of JSON on standard input, because argv and the
    environment can be read by every process of the same user.
    """

    token: str = field(repr=False)
    host: str = "127.0.0.1"
    port: int = 0  # 0: the operating system chooses
    kernel_python: str = ""  # the interpreter for kernels; empty: the gateway's own
    kernel_env: dict[str, str] = field(default_factory=dict, repr=False)

    @classmethod
    def from_json(cls, line: str) -> "GatewayConfig":
        """Reads one line of JSON. Raises ValueError for an unusable one."""
        values = json.loads(line)
        if not isinstance(values, dict):
            raise ValueError("the gateway's configuration must be a JSON object")
        config = cls(**values)
        if len(config.token) < MIN_TOKEN_CHARS:
            raise ValueError(f"a token of at least {MIN_TOKEN_CHARS} characters is needed")
        return config
