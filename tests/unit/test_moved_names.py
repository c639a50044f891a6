"""Old import paths of public names keep working, and warn."""

import importlib
import subprocess
import sys

import pytest

import ipybox
import ipybox.authoring
import ipybox.errors
from ipybox._moved import OLD_MODULES

MOVED_FROM_TOP = {
    **dict.fromkeys(
        (
            "Availability", "Backend", "BackendDescriptor", "BuildContext", "BuildEvent",
            "ByteStream", "Capability", "Container", "ContainerInfo", "ContainerSpec", "Endpoint",
            "Event", "ExecResult", "ExitStatus", "Finding", "ImageInfo", "ImageRecipe",
            "OutputHandler", "Probe", "Stats", "hookimpl",
        ),
        "ipybox.authoring",
    ),
    **dict.fromkeys(
        (
            "AuthenticationError", "BackendNotFoundError", "ConnectFailedError",
            "ContainerNotFoundError", "EngineGoneError", "EngineTimeoutError", "GatewayError",
            "GuaranteeError", "ImageBuildError", "ImageError", "ImageNotFoundError",
            "ImageRefusedError", "InputFailedError", "NameTakenError", "PluginError",
            "PortTakenError", "ProtocolError", "SpillError", "UnsupportedError",
            "VersionMismatchError",
        ),
        "ipybox.errors",
    ),
}  # fmt: skip


@pytest.mark.parametrize(("name", "place"), MOVED_FROM_TOP.items())
def test_old_top_level_name_warns_and_is_the_same_object(name: str, place: str) -> None:
    with pytest.warns(DeprecationWarning, match=rf"ipybox\.{name} has moved to {place}\.{name}"):
        found = getattr(ipybox, name)
    assert found is getattr(importlib.import_module(place), name)


@pytest.mark.parametrize(
    ("old", "name"),
    [
        ("ipybox.execution", "Execution"),
        ("ipybox.hookspecs", "hookimpl"),
        ("ipybox.reports", "Stats"),
        ("ipybox.resources", "Resources"),
        ("ipybox.selection", "load_backend"),
    ],
)
def test_old_module_can_be_imported_and_warns(old: str, name: str) -> None:
    new = OLD_MODULES[old]
    with pytest.warns(DeprecationWarning, match=rf"{old}\.{name} has moved to {new}\.{name}"):
        found = getattr(importlib.import_module(old), name)
    assert found is getattr(importlib.import_module(new), name)


def test_warning_points_at_the_importing_line() -> None:
    code = "from ipybox import Backend"
    done = subprocess.run(
        [sys.executable, "-W", "always::DeprecationWarning", "-c", code],
        capture_output=True, text=True, timeout=60, check=True,
    )  # fmt: skip
    assert "<string>:1: DeprecationWarning: ipybox.Backend has moved" in done.stderr


def test_unknown_names_are_attribute_errors() -> None:
    with pytest.raises(AttributeError, match="has no attribute 'Bakend'"):
        getattr(ipybox, "Bakend")  # noqa: B009  # the type checker knows that it is missing
    with pytest.raises(ImportError):
        importlib.import_module("ipybox.no_such_module")


def test_top_level_names_exist_and_are_few() -> None:
    assert all(hasattr(ipybox, name) for name in ipybox.__all__)
    assert len(ipybox.__all__) <= 30
