"""The choice of a backend, and the error if none is ready."""

from __future__ import annotations

from typing import Any

import pytest

from ipybox import BackendUnavailableError, ExecutionContainer
from ipybox.authoring import Availability, Backend, BackendDescriptor, Container, ContainerSpec
from ipybox.plugins import selection
from ipybox.plugins.registry import PluginRegistry
from ipybox.plugins.selection import choose_backend


class Engine(Backend):
    def __init__(self, name: str, *, ready: bool) -> None:
        self.name = name
        self._ready = ready

    async def availability(self) -> Availability:
        return Availability(
            ready=self._ready, reason=f"{self.name} is off.", remedy=f"Start {self.name}."
        )

    async def create(self, spec: ContainerSpec) -> Container:
        raise NotImplementedError


def load_fails() -> Any:
    raise ImportError("No module named 'enginelib'")


@pytest.fixture
def plugins(monkeypatch: pytest.MonkeyPatch) -> PluginRegistry:
    found = PluginRegistry([])
    monkeypatch.setattr(selection, "registry", lambda: found)
    monkeypatch.delenv("IPYBOX_BACKEND", raising=False)
    return found


def add(plugins: PluginRegistry, name: str, *, ready: bool, isolation: Any = "container") -> None:
    plugins.backends[name] = BackendDescriptor(
        name=name, summary="", isolation=isolation, load=lambda: lambda: Engine(name, ready=ready)
    )


async def test_the_first_ready_backend_that_isolates_is_chosen(plugins: PluginRegistry) -> None:
    add(plugins, "local", ready=True, isolation="none")
    add(plugins, "foreign", ready=True)
    add(plugins, "podman", ready=True)
    add(plugins, "docker", ready=False)
    assert (await choose_backend(None)).name == "podman"
    add(plugins, "docker", ready=True)
    assert (await choose_backend(None)).name == "docker"


async def test_a_name_comes_before_the_environment_variable(
    plugins: PluginRegistry, monkeypatch: pytest.MonkeyPatch
) -> None:
    add(plugins, "docker", ready=True)
    add(plugins, "local", ready=True, isolation="none")
    monkeypatch.setenv("IPYBOX_BACKEND", "local")
    assert (await choose_backend(None)).name == "local"
    assert (await choose_backend("docker")).name == "docker"
    own = Engine("own", ready=True)
    assert await choose_backend(own) is own


async def test_a_backend_without_isolation_is_chosen_by_name_only(plugins: PluginRegistry) -> None:
    add(plugins, "local", ready=True, isolation="none")
    add(plugins, "docker", ready=False)
    plugins.backends["engine"] = BackendDescriptor(
        name="engine", summary="", isolation="container", load=load_fails
    )
    with pytest.raises(BackendUnavailableError) as caught:
        await ExecutionContainer().run()
    message = str(caught.value)
    for part in (
        "docker is off. Start docker.",
        "No module named 'enginelib'",
        "podman: No installed plugin",
        'backend="local"',
        "protects neither",
        "ipybox doctor",
    ):
        assert part in message


async def test_a_named_backend_that_is_not_ready_is_an_error(plugins: PluginRegistry) -> None:
    add(plugins, "docker", ready=False)
    with pytest.raises(BackendUnavailableError, match=r"docker is off\. Start docker\."):
        await choose_backend("docker")
