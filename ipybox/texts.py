"""What can be handed to another process."""

from __future__ import annotations


def is_text(value: str) -> bool:
    """Whether it is Unicode text: a lone surrogate can be handed to no other process."""
    try:
        value.encode()
    except UnicodeEncodeError:
        return False
    return True
