"""Old import paths of public names keep working, and warn."""

import importlib
import inspect
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


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("ipybox.spec.ContainerSpec", "ipybox.spec.container.ContainerSpec"),
        ("ipybox.spec.WORKDIR", "ipybox.spec.paths.WORKDIR"),
        ("ipybox.spec.check_env", "ipybox.validation.check_env"),
        ("ipybox.image.ImageRecipe", "ipybox.spec.image.ImageRecipe"),
        ("ipybox.image.split_name", "ipybox.spec.image.split_name"),
        ("ipybox.plugins.PluginReport", "ipybox.plugins.registry.PluginReport"),
        ("ipybox.authoring.judge", "ipybox.authoring.assess_guarantees"),
    ],
)
def test_old_name_of_a_module_that_is_still_there_warns(old: str, new: str) -> None:
    (old_module, _, old_name), (new_module, _, new_name) = old.rpartition("."), new.rpartition(".")
    with pytest.warns(DeprecationWarning, match=rf"{old} has moved to {new}\."):
        found = getattr(importlib.import_module(old_module), old_name)
    assert found is getattr(importlib.import_module(new_module), new_name)


@pytest.mark.parametrize("package", ["ipybox.spec", "ipybox.image", "ipybox.plugins"])
def test_every_name_that_a_package_answers_for_is_found(package: str) -> None:
    module = importlib.import_module(package)
    moved = inspect.getclosurevars(module.__getattr__).nonlocals["moved"]
    for name in moved:
        with pytest.deprecated_call():
            getattr(module, name)


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
