"""The ports of a container that are published on its host."""

from __future__ import annotations

from collections.abc import ItemsView, Iterator, KeysView, Mapping
from types import MappingProxyType

PortKey = int | tuple[int, str]


class PublishedPorts(Mapping[PortKey, int]):
    """Ports of a container that are published, and the host ports that lead to them.

    The keys are (container port, protocol). A container port alone stands for TCP, so that
    ``ports[8000]`` and ``ports[8000, "tcp"]`` are the same.

    Args:
        ports: Container port, in either form, to host port.
    """

    def __init__(
        self,
        ports: Mapping[int, int] | Mapping[tuple[int, str], int] = MappingProxyType({}),
    ) -> None:
        self._ports = {_port_key(key): host_port for key, host_port in ports.items()}

    def __getitem__(self, key: PortKey) -> int:
        return self._ports[_port_key(key)]

    def __iter__(self) -> Iterator[tuple[int, str]]:
        return iter(self._ports)

    def keys(self) -> KeysView[tuple[int, str]]:
        """Return each (container port, protocol)."""
        return self._ports.keys()

    def items(self) -> ItemsView[tuple[int, str], int]:
        """Return each (container port, protocol) with its host port."""
        return self._ports.items()

    def __len__(self) -> int:
        return len(self._ports)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Mapping):
            return NotImplemented
        return self._ports == {_port_key(key): value for key, value in other.items()}

    def __repr__(self) -> str:
        ports = ", ".join(f"{port}/{protocol}: {host}" for (port, protocol), host in self.items())
        return f"<PublishedPorts {ports or 'none'}>"


def _port_key(key: PortKey) -> tuple[int, str]:
    return (key, "tcp") if isinstance(key, int) else key
