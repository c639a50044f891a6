"""Every public class, function and method is documented, with its arguments."""

import importlib
import inspect
from collections.abc import Iterator
from typing import Any

import pytest

MODULES = ("ipybox", "ipybox.authoring", "ipybox.engine")


def public_objects() -> Iterator[tuple[str, Any]]:
    """Yield the public classes and functions, and the public methods and properties of classes."""
    for module in map(importlib.import_module, MODULES):
        for name in module.__all__:
            value = getattr(module, name)
            if inspect.isclass(value):
                yield name, value
                for member, owned in inspect.getmembers(value):
                    function = owned.fget if isinstance(owned, property) else owned
                    defined_in = getattr(function, "__module__", None) or ""
                    is_ours = defined_in.split(".")[0] == "ipybox" and inspect.isroutine(function)
                    if is_ours and not member.startswith("_"):
                        yield f"{name}.{member}", owned
            elif inspect.isfunction(value):
                yield name, value


OBJECTS = dict(public_objects())


def test_every_public_module_contributes_objects() -> None:
    assert {"ExecutionClient.execute", "ExecutionContainer.attach", "ExecutionContainer.port",
            "Backend.create", "Engine.logs", "parse_timestamp"} <= set(OBJECTS)  # fmt: skip


@pytest.mark.parametrize("name", OBJECTS)
def test_public_objects_have_docstrings_that_list_their_arguments(name: str) -> None:
    """A docstring of one line may mention each argument in double backticks instead."""
    value = OBJECTS[name]
    text = inspect.getdoc(value)
    assert text
    if inspect.isroutine(value):
        arguments = [item for item in inspect.signature(value).parameters if item != "self"]
        section = text.partition("Args:\n")[2].partition("\n\n")[0]
        listed = {
            line.partition(":")[0].strip(" *") for line in section.splitlines() if ":" in line
        }
        for argument in arguments:
            assert argument in listed or ("\n" not in text and f"``{argument}``" in text)
