"""The errors, and the tree of them in the docstring of their module."""

import inspect
import re

from ipybox import errors

ROW = re.compile(r"^    ([│├└─ ]*)(\w+Error)(?: \((\w+)\))?", re.M)
LEVEL_CHARS = 4


def test_the_tree_shows_each_error_below_its_base() -> None:
    ancestors: list[str] = []
    shown = {}
    for indent, name, other_base in ROW.findall(errors.__doc__ or ""):
        ancestors = [*ancestors[: len(indent) // LEVEL_CHARS], name]
        shown[name] = {*ancestors[-2:-1], *([other_base] if other_base else [])}
    found = {
        name: {base.__name__ for base in kind.__bases__} - {"OutputSoFar", "Exception"}
        for name, kind in inspect.getmembers(errors, inspect.isclass)
        if issubclass(kind, errors.IpyboxError)
    }
    assert shown == found


def test_every_error_says_when_it_is_raised() -> None:
    for name, kind in inspect.getmembers(errors, inspect.isclass):
        if issubclass(kind, errors.IpyboxError):
            assert kind.__doc__, name
