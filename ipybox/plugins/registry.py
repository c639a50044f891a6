"""Discovery of plugins: load each by itself, collect what it registers, call its hooks.

A plugin that fails is reported by name, with the cause, and does not affect the others.
"""

from __future__ import annotations

import functools
import logging
import os
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Literal

import pluggy

from ipybox.errors import IpyboxError, PluginError
from ipybox.events import Event
from ipybox.plugins.catalog import Catalog
from ipybox.plugins.hookspecs import GROUP, Hooks
from ipybox.spec.container import ContainerSpec

if TYPE_CHECKING:
    from importlib.metadata import EntryPoint

DISABLE_VARIABLE = "IPYBOX_DISABLE_PLUGINS"
OWN_DISTRIBUTION = "ipybox"

log = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class PluginReport:
    """The outcome of loading one plugin.

    Attributes:
        name: Name of its entry point; with the distribution, if the name was taken.
        distribution: Name of the distribution that provides it; ``"unknown"`` if it has none.
        version: Version of that distribution; empty if it has none.
        status: ``"active"``, ``"disabled"`` by ``IPYBOX_DISABLE_PLUGINS``, or ``"failed"``.
        provides: What it registered, as in ``"backend docker"``.
        problems: Why it failed, or why some of what it registers was refused.
    """

    name: str
    distribution: str
    version: str
    status: Literal["active", "disabled", "failed"]
    provides: tuple[str, ...] = ()
    problems: tuple[str, ...] = ()


class PluginRegistry:
    """The plugins of a set of entry points.

    Attributes:
        backends: Registered backends by name.
        images: Registered image recipes by name.
        output_handlers: Registered output handlers by MIME type.
    """

    def __init__(self, found: Iterable[EntryPoint], disabled: Iterable[str] = ()) -> None:
        """Load plugins, and collect what they register. Failures are in :attr:`reports`.

        Args:
            found: The entry points of the plugins.
            disabled: Names of plugins to leave out.
        """
        self._hooks = pluggy.PluginManager(GROUP)
        self._hooks.add_hookspecs(Hooks)
        self._reports: dict[str, PluginReport] = {}
        self._catalog = Catalog()
        self.backends = self._catalog.backends
        self.images = self._catalog.images
        self.output_handlers = self._catalog.output_handlers
        blocked = set(disabled)
        # The built-in plugins come first, so that no other plugin takes their names.
        for point in sorted(found, key=lambda point: (not _is_own(point), point.name)):
            self._load(point, blocked)
        for name in list(self._reports):
            self._collect(name)

    @property
    def reports(self) -> list[PluginReport]:
        """One report for each plugin: the built-in ones first, then by name."""
        return list(self._reports.values())

    def prepare_spec(self, spec: ContainerSpec) -> ContainerSpec:
        """Let each plugin change a spec, or refuse it, with ``ipybox_prepare_spec``.

        Args:
            spec: The spec of a container that is about to be started.

        Returns:
            The spec as the last plugin left it.

        Raises:
            IpyboxError: If a plugin raised one: the plugin refused the start.
            PluginError: If a plugin raised another exception, or returned neither a
                ContainerSpec nor None.
        """
        for name, prepare in self._each("ipybox_prepare_spec"):
            try:
                changed = _single(prepare(spec=spec))
            except IpyboxError:
                raise
            except Exception as error:
                raise PluginError(
                    f"Plugin {name!r} refused the start: {type(error).__name__}: {error}"
                ) from error
            if changed is not None and not isinstance(changed, ContainerSpec):
                raise PluginError(
                    f"Plugin {name!r} must return a ContainerSpec or None from "
                    f"ipybox_prepare_spec, got {type(changed).__name__}."
                )
            spec = changed or spec
        return spec

    def kernel_startup(self) -> list[tuple[str, str]]:
        """Return the code that plugins want to run in each new kernel.

        Returns:
            Name of the plugin and code, for each plugin that has code.

        Raises:
            PluginError: If a plugin failed, or returned neither a str nor None.
        """
        found = []
        for name, startup_code in self._each("ipybox_kernel_startup"):
            try:
                code = _single(startup_code())
            except Exception as error:
                raise PluginError(
                    f"Plugin {name!r} failed in ipybox_kernel_startup: "
                    f"{type(error).__name__}: {error}"
                ) from error
            if code is not None and not isinstance(code, str):
                raise PluginError(
                    f"Plugin {name!r} must return a str or None from ipybox_kernel_startup, "
                    f"got {type(code).__name__}."
                )
            if code:
                found.append((name, code))
        return found

    def emit(self, event: Event) -> None:
        """Pass an event to all plugins that observe events. Never raises.

        Args:
            event: The event.
        """
        if not self._hooks.hook.ipybox_event.get_hookimpls():
            return
        for name, observe in self._each("ipybox_event"):
            try:
                observe(event=event)
            except Exception:
                log.warning("plugin %r failed on the event %s", name, event.name, exc_info=True)

    def _load(self, point: EntryPoint, blocked: set[str]) -> None:
        distribution = point.dist.name if point.dist else "unknown"
        report = PluginReport(
            name=point.name,
            distribution=distribution,
            version=point.dist.version if point.dist else "",
            status="disabled" if point.name in blocked else "active",
        )
        if point.name in self._reports:
            holder = self._reports[point.name].distribution
            name = f"{point.name} ({distribution})"
            problem = f"The plugin name {point.name!r} is taken by {holder!r}."
            report = replace(report, name=name, status="failed", problems=(problem,))
            self._reports.setdefault(name, report)
            return
        self._reports[point.name] = report
        if report.status == "disabled":
            return
        try:
            plugin = point.load()
            self._hooks.register(plugin, name=point.name)
            self._check_hook_names(plugin)
        # Importing a plugin runs foreign code, which may even try to exit the process.
        except (Exception, SystemExit) as error:
            self._fail(point.name, error)

    def _check_hook_names(self, plugin: object) -> None:
        for caller in self._hooks.get_hookcallers(plugin) or ():
            if not hasattr(Hooks, caller.name):
                known = ", ".join(hook for hook in vars(Hooks) if hook.startswith(GROUP))
                raise PluginError(f"There is no hook {caller.name!r}. Choose one of: {known}.")

    def _fail(self, name: str, error: BaseException) -> None:
        self._reports[name] = replace(self._reports[name], status="failed")
        self._add_problem(name, f"{type(error).__name__}: {error}")
        log.warning("skipping plugin %r: %s: %s", name, type(error).__name__, error)
        if self._hooks.has_plugin(name):
            self._hooks.unregister(name=name)

    def _add_problem(self, name: str, problem: str) -> None:
        report = self._reports[name]
        self._reports[name] = replace(report, problems=(*report.problems, problem))

    def _each(self, hook_name: str) -> Iterator[tuple[str, Callable[..., Any]]]:
        """Yield plugin name and caller of its hook alone, for all that implement the hook."""
        hook = getattr(self._hooks.hook, hook_name)
        implementing = {impl.plugin_name: impl.plugin for impl in hook.get_hookimpls()}
        # In the order of the reports; pluggy would call the last registered plugin first.
        for name in self._reports:
            if name in implementing:
                others = [plugin for other, plugin in implementing.items() if other != name]
                yield name, self._hooks.subset_hook_caller(hook_name, others)

    def _collect(self, name: str) -> None:
        """Ask a plugin for all that it registers."""
        add_by_hook: dict[str, Callable[[Any], str]] = {
            "ipybox_register_backends": self._catalog.add_backend,
            "ipybox_register_images": self._catalog.add_image,
            "ipybox_register_output_handlers": self._catalog.add_output_handler,
        }
        for hook_name, add in add_by_hook.items():
            callers = dict(self._each(hook_name))
            if name not in callers:
                continue
            try:
                items = list(_single(callers[name]()) or ())
            except Exception as error:
                self._fail(name, error)
                return
            for item in items:
                try:
                    provided = add(item)
                except PluginError as error:
                    self._add_problem(name, str(error))
                    log.warning("plugin %r: %s", name, error)
                else:
                    report = self._reports[name]
                    self._reports[name] = replace(report, provides=(*report.provides, provided))


def _is_own(point: EntryPoint) -> bool:
    return point.dist is not None and point.dist.name == OWN_DISTRIBUTION


def _single(answers: Any) -> Any:
    """Return the answer of a single plugin: pluggy returns a list, without None."""
    return answers[0] if answers else None


@functools.cache
def registry() -> PluginRegistry:
    """Return the plugins of this environment, which are loaded at the first call.

    Plugins named in ``IPYBOX_DISABLE_PLUGINS``, separated by commas, are left out.
    """
    from importlib.metadata import entry_points  # slow to import, and not needed before

    disabled = os.environ.get(DISABLE_VARIABLE, "").split(",")
    return PluginRegistry(
        entry_points(group=GROUP), (name.strip() for name in disabled if name.strip())
    )
