"""Old import paths of public names keep working, and warn."""

import importlib
import inspect
import subprocess
import sys

import pytest

import ipybox
import ipybox.authoring
import ipybox.errors
import ipybox.spec
from ipybox._moved import OLD_MODULES, public_path

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
    ("old", "name", "new"),
    [
        ("ipybox.execution", "Execution", "ipybox"),
        ("ipybox.hookspecs", "hookimpl", "ipybox.authoring"),
        ("ipybox.reports", "Guarantees", "ipybox"),
        ("ipybox.reports", "Stats", "ipybox.authoring"),
        ("ipybox.resources", "Resources", "ipybox"),
        ("ipybox.resources", "GATEWAY_PORT", "ipybox.authoring"),
        ("ipybox.resources", "MEBIBYTE", "ipybox.spec.resources"),
        ("ipybox.selection", "load_backend", "ipybox.plugins.selection"),
    ],
)
def test_old_module_can_be_imported_and_warns(old: str, name: str, new: str) -> None:
    warning = rf"{old}\.{name} has moved to {new}\.{name}\."
    with pytest.warns(DeprecationWarning, match=warning) as seen:
        found = getattr(importlib.import_module(old), name)
    assert seen[0].filename == __file__
    assert found is getattr(importlib.import_module(new), name)


@pytest.mark.parametrize("old", OLD_MODULES)
def test_old_module_is_an_attribute_of_the_package(
    old: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    name = old.removeprefix("ipybox.")
    monkeypatch.delitem(sys.modules, old, raising=False)
    monkeypatch.delattr(ipybox, name, raising=False)
    assert getattr(ipybox, name).__name__ == old


def test_names_of_old_modules_are_found_without_importing_them() -> None:
    code = "import ipybox; ipybox.execution.Execution"
    done = subprocess.run(
        [sys.executable, "-W", "always::DeprecationWarning", "-c", code],
        capture_output=True, text=True, timeout=60, check=True,
    )  # fmt: skip
    assert "ipybox.execution.Execution has moved to ipybox.Execution." in done.stderr


def test_old_module_has_no_other_names() -> None:
    with pytest.raises(AttributeError, match="has no attribute 'Resorces'"):
        getattr(importlib.import_module("ipybox.resources"), "Resorces")  # noqa: B009


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("ipybox.spec.ContainerSpec", "ipybox.authoring.ContainerSpec"),
        ("ipybox.spec.WORKDIR", "ipybox.authoring.WORKDIR"),
        ("ipybox.spec.Bind", "ipybox.Bind"),
        ("ipybox.spec.MIN_LEASE_SECONDS", "ipybox.spec.container.MIN_LEASE_SECONDS"),
        ("ipybox.spec.check_env", "ipybox.validation.check_env"),
        ("ipybox.image.ImageRecipe", "ipybox.authoring.ImageRecipe"),
        ("ipybox.image.split_name", "ipybox.authoring.split_name"),
        ("ipybox.plugins.PluginReport", "ipybox.plugins.registry.PluginReport"),
        ("ipybox.authoring.judge", "ipybox.authoring.assess_guarantees"),
    ],
)
def test_old_name_of_a_module_that_is_still_there_warns(old: str, new: str) -> None:
    (old_module, _, old_name), (new_module, _, new_name) = old.rpartition("."), new.rpartition(".")
    with pytest.warns(DeprecationWarning, match=rf"{old} has moved to {new}\. "):
        found = getattr(importlib.import_module(old_module), old_name)
    assert found is getattr(importlib.import_module(new_module), new_name)


@pytest.mark.parametrize("package", ["ipybox.spec", "ipybox.image", "ipybox.plugins"])
def test_every_name_that_a_package_answers_for_is_found(package: str) -> None:
    module = importlib.import_module(package)
    moved = inspect.getclosurevars(module.__getattr__).nonlocals["moved"]
    for name, new in moved.items():
        with pytest.deprecated_call():
            getattr(module, name)
        assert public_path(new) == new, "the warning names a private path"


def test_what_a_client_returns_is_in_spec_without_a_warning() -> None:
    for name in ("Completions", "GatewayStatus", "KernelStatus"):
        assert getattr(ipybox.spec, name) is getattr(ipybox.spec.status, name)


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
