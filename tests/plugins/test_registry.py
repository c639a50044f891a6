"""Plugins are found, isolated from each other, and reported by name."""

from __future__ import annotations

import dataclasses
import logging
import sys
from importlib.metadata import EntryPoint
from types import ModuleType
from typing import Any

import pytest

from ipybox import InvalidArgumentError
from ipybox.authoring import BackendDescriptor, ContainerSpec, Event, ImageRecipe, hookimpl
from ipybox.errors import PluginError
from ipybox.plugins.registry import PluginRegistry as Registry
from ipybox.plugins.registry import PluginReport, registry


def descriptor(name: str) -> BackendDescriptor:
    return BackendDescriptor(name=name, summary="", isolation="container", load=lambda: None)  # type: ignore[arg-type,return-value]


def point(name: str, plugin: object) -> EntryPoint:
    """Return an entry point to an object, as if a distribution provided it."""
    module = ModuleType(f"fake_plugin_{name}")
    module.plugin = plugin  # type: ignore[attr-defined]
    sys.modules[module.__name__] = module
    return EntryPoint(name=name, value=f"{module.__name__}:plugin", group="ipybox")


def plugin(**hooks: Any) -> ModuleType:
    module = ModuleType("plugin")
    for name, function in hooks.items():
        setattr(module, name, hookimpl(function))
    return module


GOOD = plugin(ipybox_register_backends=lambda: [descriptor("good")])


def report_of(found: Registry, name: str) -> PluginReport:
    return next(report for report in found.reports if report.name == name)


def test_built_in_plugins_are_loaded_like_any_other() -> None:
    reports = {report.name: report for report in registry().reports}
    assert reports["local"].provides == ("backend local",)
    assert reports["local"].distribution == "ipybox"
    assert "output handler images" in reports["outputs"].provides
    assert all(report.status == "active" for report in reports.values()), reports


def raising() -> Any:
    raise RuntimeError("in the hook")


@pytest.mark.parametrize(
    ("bad", "message"),
    [
        (plugin(ipybox_register_backends=lambda no_such_argument: []), "no_such_argument"),
        (plugin(ipybox_register_nothing=lambda: ()), "no hook 'ipybox_register_nothing'"),
        (plugin(ipybox_register_backends=raising), "RuntimeError: in the hook"),
        (plugin(ipybox_register_backends=lambda: 7), "TypeError"),
        (
            plugin(ipybox_register_backends=lambda: ["text"]),
            "must return BackendDescriptor objects, got str",
        ),
        (plugin(ipybox_register_images=lambda: [3]), "must return ImageRecipe objects, got int"),
        (
            plugin(ipybox_register_output_handlers=lambda: [3]),
            "must return OutputHandler objects, got int",
        ),
    ],
)
def test_a_plugin_that_fails_is_reported_and_does_not_affect_others(
    bad: object, message: str
) -> None:
    found = Registry([point("bad", bad), point("good", GOOD)])
    report = report_of(found, "bad")
    assert message in " ".join(report.problems)
    assert list(found.backends) == ["good"]
    assert report_of(found, "good").status == "active"


@pytest.mark.parametrize(
    ("value", "message"),
    [("no_such_module", "ModuleNotFoundError"), ("json:no_such_name", "AttributeError")],
)
def test_a_plugin_that_can_not_be_imported_is_reported(value: str, message: str) -> None:
    broken = EntryPoint(name="broken", value=value, group="ipybox")
    found = Registry([broken, point("good", GOOD)])
    assert report_of(found, "broken").status == "failed"
    assert message in report_of(found, "broken").problems[0]
    assert list(found.backends) == ["good"]


def test_a_plugin_that_exits_at_import_is_reported(
    tmp_path: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "plugin_that_exits.py").write_text("raise SystemExit(0)")
    monkeypatch.syspath_prepend(tmp_path)
    exits = EntryPoint(name="exits", value="plugin_that_exits", group="ipybox")
    assert report_of(Registry([exits]), "exits").problems == ("SystemExit: 0",)


def test_names_that_are_taken_are_refused() -> None:
    second = plugin(
        ipybox_register_backends=lambda: [descriptor("good"), descriptor("own")],
        ipybox_register_images=lambda: [
            ImageRecipe(name="a", tags=("x",)),
            ImageRecipe(name="b", tags=("x",)),
            ImageRecipe(name="a"),
        ],
    )
    found = Registry([point("a_first", GOOD), point("second", second)])
    report = report_of(found, "second")
    assert report.status == "active"
    assert report.provides == ("backend own", "image recipe a")
    assert [problem.split("'")[1] for problem in report.problems] == ["good", "x", "a"]


def test_mime_types_that_are_taken_are_refused() -> None:
    class Handler:
        name = "mine"
        mime_types = ("image/png",)
        produces = "data"

        def convert(self, mime_type: str, data: Any, metadata: Any) -> Any: ...

    class SecondHandler(Handler):
        name = "other"

    both = plugin(ipybox_register_output_handlers=lambda: [Handler(), SecondHandler()])
    found = Registry([point("both", both)])
    assert "'image/png' is taken by handler 'mine'" in report_of(found, "both").problems[0]


def test_the_second_plugin_of_a_name_is_refused() -> None:
    found = Registry([point("same", GOOD), point("same", plugin())])
    assert [report.status for report in found.reports] == ["active", "failed"]
    assert "taken" in found.reports[1].problems[0]


def test_a_plugin_can_be_disabled_by_name() -> None:
    found = Registry([point("good", GOOD), point("other", plugin())], disabled=["good"])
    assert report_of(found, "good").status == "disabled"
    assert found.backends == {}


def test_each_plugin_prepares_the_spec_that_the_one_before_it_returned() -> None:
    def add(name: str) -> Any:
        def prepare(spec: ContainerSpec) -> ContainerSpec:
            return dataclasses.replace(spec, env={**spec.env, name: str(len(spec.env))})

        return plugin(ipybox_prepare_spec=prepare)

    found = Registry(
        [point("a", add("A")), point("b", plugin(ipybox_prepare_spec=lambda spec: None)),
         point("c", add("C"))]
    )  # fmt: skip
    assert found.prepare_spec(ContainerSpec()).env == {"A": "0", "C": "1"}


def test_a_plugin_can_refuse_a_start() -> None:
    def refuse(spec: ContainerSpec) -> None:
        raise InvalidArgumentError("not on this machine")

    with pytest.raises(InvalidArgumentError, match="not on this machine"):
        Registry([point("org", plugin(ipybox_prepare_spec=refuse))]).prepare_spec(ContainerSpec())


@pytest.mark.parametrize("answer", [raising, lambda: 7])
def test_a_plugin_that_fails_to_prepare_a_spec_refuses_the_start(answer: Any) -> None:
    broken = plugin(ipybox_prepare_spec=lambda spec: answer())
    with pytest.raises(PluginError, match="'org'"):
        Registry([point("org", broken)]).prepare_spec(ContainerSpec())


def test_an_event_reaches_all_observers_even_if_one_fails(caplog: pytest.LogCaptureFixture) -> None:
    seen: list[Event] = []

    def fail(event: Event) -> None:
        raise RuntimeError("observer")

    found = Registry(
        [
            point("a", plugin(ipybox_event=fail)),
            point("b", plugin(ipybox_event=lambda event: seen.append(event))),
        ]
    )
    with caplog.at_level(logging.WARNING):
        found.emit(Event(name="container.ready", subject="x"))
    assert [event.subject for event in seen] == ["x"]
    assert "'a' failed on the event container.ready" in caplog.text
