"""Access to a status as if it were a dict, which it was before. Deprecated."""

from __future__ import annotations

import warnings
from collections.abc import Iterator, KeysView, Mapping
from typing import Any, ClassVar


class DictAccess:
    """A base class for what was a dict. Every use as a dict gives a DeprecationWarning."""

    _attributes: ClassVar[Mapping[str, str]]
    """Each key of the dict, with the attribute that replaces it."""

    def __getitem__(self, key: str) -> Any:
        """Return a value by its key in the gateway's JSON. Deprecated."""
        if key not in self._attributes:
            raise KeyError(key)
        self._warn(f'{type(self).__name__}["{key}"]', f"the attribute {self._attributes[key]}")
        return self._value(key)

    def get(self, key: str, default: Any = None) -> Any:
        """Return a value by its key in the gateway's JSON, or a default. Deprecated."""
        known = key in self._attributes
        instead = f"the attribute {self._attributes[key]}" if known else "the attributes"
        self._warn(f'{type(self).__name__}.get("{key}")', instead)
        return self._value(key) if known else default

    def keys(self) -> KeysView[str]:
        """Return the keys of the gateway's JSON. Deprecated."""
        self._warn(f"{type(self).__name__}.keys()", "the attributes")
        return self._attributes.keys()

    def __contains__(self, key: object) -> bool:
        """Return whether the gateway's JSON has a key. Deprecated."""
        self._warn(f'"{key}" in {type(self).__name__}', "the attributes")
        return key in self._attributes

    def __iter__(self) -> Iterator[str]:
        """Iterate over the keys of the gateway's JSON. Deprecated."""
        self._warn(f"Iterating over {type(self).__name__}", "the attributes")
        return iter(self._attributes)

    def _value(self, key: str) -> Any:
        """Return a value as the gateway's JSON has it."""
        return getattr(self, self._attributes[key])

    def _warn(self, what: str, instead: str) -> None:
        warnings.warn(f"{what} is deprecated; use {instead}.", DeprecationWarning, stacklevel=3)
