"""Finds plugins, loads them one at a time, and asks them.

A plugin that fails is reported by name with its cause, and stops nothing else.
"""

from __future__ import annotations

import functools
import logging
import os
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import pluggy

from ipybox.backend import BackendDescriptor
from ipybox.errors import IpyboxError, PluginError
from ipybox.events import Event
from ipybox.outputs.handler import OutputHandler
from ipybox.plugins.hookspecs import GROUP, Hooks
from ipybox.spec.container import ContainerSpec
from ipybox.spec.image import ImageRecipe

if TYPE_CHECKING:
    from importlib.metadata import EntryPoint

DISABLE_VARIABLE = "IPYBOX_DISABLE_PLUGINS"
OWN_DISTRIBUTION = "ipybox"

log = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class PluginReport:
    """One plugin as it was found: what came of it, and why."""

    name: str
    distribution: str
    version: str
    status: Literal["active", "disabled", "failed"]
    provides: tuple[str, ...] = ()
    problems: tuple[str, ...] = ()


@dataclass
class _Entry:
    name: str
    distribution: str
    version: str
    status: Literal["active", "disabled", "failed"]
    provides: list[str]
    problems: list[str]


class PluginRegistry:
    """The plugins of a set of entry points, and what they registered."""

    def __init__(self, found: Iterable[EntryPoint], disabled: Iterable[str] = ()) -> None:
        self._hooks = pluggy.PluginManager(GROUP)
        self._hooks.add_hookspecs(Hooks)
        self._entries: dict[str, _Entry] = {}
        self.backends: dict[str, BackendDescriptor] = {}
        self.images: dict[str, ImageRecipe] = {}
        self.output_handlers: dict[str, OutputHandler] = {}
        self._image_tags: dict[str, str] = {}
        blocked = set(disabled)
        # The built-ins come first, so that no stranger takes a built-in's name.
        for point in sorted(found, key=lambda point: (not _is_own(point), point.name)):
            self._load(point, blocked)
        for name in list(self._entries):
            self._collect(name)

    @property
    def reports(self) -> list[PluginReport]:
        return [
            PluginReport(
                name=entry.name,
                distribution=entry.distribution,
                version=entry.version,
                status=entry.status,
                provides=tuple(entry.provides),
                problems=tuple(entry.problems),
            )
            for entry in self._entries.values()
        ]

    def prepare_spec(self, spec: ContainerSpec) -> ContainerSpec:
        """The spec as the plugins want it. Raises what refuses it; fails closed."""
        for name, ask in self._each("ipybox_prepare_spec"):
            try:
                changed = _single(ask(spec=spec))
            except IpyboxError:
                raise
            except Exception as error:
                raise PluginError(
                    f"Plugin {name!r} refused the start: {type(error).__name__}: {error}"
                ) from error
            if changed is not None and not isinstance(changed, ContainerSpec):
                raise PluginError(
                    f"Plugin {name!r} returned a {type(changed).__name__} from "
                    "ipybox_prepare_spec; a ContainerSpec or None is needed."
                )
            spec = changed or spec
        return spec

    def kernel_startup(self) -> list[tuple[str, str]]:
        """Plugins' names and the code that they want to run in each new kernel."""
        found = []
        for name, ask in self._each("ipybox_kernel_startup"):
            try:
                code = _single(ask())
            except Exception as error:
                raise PluginError(
                    f"Plugin {name!r} failed in ipybox_kernel_startup: "
                    f"{type(error).__name__}: {error}"
                ) from error
            if code is not None and not isinstance(code, str):
                raise PluginError(
                    f"Plugin {name!r} returned a {type(code).__name__} from "
                    "ipybox_kernel_startup; a str or None is needed."
                )
            if code:
                found.append((name, code))
        return found

    def emit(self, event: Event) -> None:
        """Tells all observers. Raises nothing."""
        if not self._hooks.hook.ipybox_event.get_hookimpls():
            return
        for name, tell in self._each("ipybox_event"):
            try:
                tell(event=event)
            except Exception:
                log.warning("plugin %r failed on the event %s", name, event.name, exc_info=True)

    def _load(self, point: EntryPoint, blocked: set[str]) -> None:
        distribution = point.dist.name if point.dist else "unknown"
        version = point.dist.version if point.dist else ""
        entry = _Entry(point.name, distribution, version, "active", [], [])
        if point.name in self._entries:
            holder = self._entries[point.name].distribution
            entry.name = f"{point.name} ({distribution})"
            entry.status = "failed"
            entry.problems.append(f"the plugin name {point.name!r} is taken by {holder!r}")
            self._entries.setdefault(entry.name, entry)
            return
        self._entries[point.name] = entry
        if point.name in blocked:
            entry.status = "disabled"
            return
        try:
            plugin = point.load()
            self._hooks.register(plugin, name=point.name)
            self._check_hook_names(plugin)
        # Importing a plugin runs anybody's code, and may even try to end the process.
        except (Exception, SystemExit) as error:
            self._fail(entry, error)

    def _check_hook_names(self, plugin: object) -> None:
        for caller in self._hooks.get_hookcallers(plugin) or ():
            if not hasattr(Hooks, caller.name):
                known = ", ".join(hook for hook in vars(Hooks) if hook.startswith(GROUP))
                raise PluginError(f"there is no hook {caller.name!r}; there are: {known}")

    def _fail(self, entry: _Entry, error: BaseException) -> None:
        entry.status = "failed"
        entry.problems.append(f"{type(error).__name__}: {error}")
        log.warning("plugin %r is left out: %s: %s", entry.name, type(error).__name__, error)
        if self._hooks.has_plugin(entry.name):
            self._hooks.unregister(name=entry.name)

    def _each(self, hook_name: str) -> Iterator[tuple[str, Callable[..., Any]]]:
        """(plugin name, caller of its hook alone) of those that implement the hook."""
        hook = getattr(self._hooks.hook, hook_name)
        implementing = {impl.plugin_name: impl.plugin for impl in hook.get_hookimpls()}
        # pluggy's order is last registered first; ours is that of the listing.
        for name in self._entries:
            if name in implementing:
                others = [plugin for other, plugin in implementing.items() if other != name]
                yield name, self._hooks.subset_hook_caller(hook_name, others)

    def _collect(self, name: str) -> None:
        collectors: dict[str, Callable[[_Entry, Any], None]] = {
            "ipybox_register_backends": self._add_backend,
            "ipybox_register_images": self._add_image,
            "ipybox_register_output_handlers": self._add_handler,
        }
        entry = self._entries[name]
        for hook_name, add in collectors.items():
            callers = dict(self._each(hook_name))
            if name not in callers:
                continue
            try:
                items = list(_single(callers[name]()) or ())
            except Exception as error:
                self._fail(entry, error)
                return
            for item in items:
                try:
                    add(entry, item)
                except PluginError as error:
                    entry.problems.append(str(error))
                    log.warning("plugin %r: %s", name, error)

    def _add_backend(self, entry: _Entry, item: Any) -> None:
        _require(item, BackendDescriptor, "ipybox_register_backends")
        _claim(self.backends, item.name, item, "backend name", entry)

    def _add_image(self, entry: _Entry, item: Any) -> None:
        _require(item, ImageRecipe, "ipybox_register_images")
        if taken := [tag for tag in item.tags if tag in self._image_tags]:
            holder = self._image_tags[taken[0]]
            raise PluginError(f"the image tag {taken[0]!r} is taken by the recipe {holder!r}")
        _claim(self.images, item.name, item, "image recipe", entry)
        self._image_tags.update(dict.fromkeys(item.tags, item.name))

    def _add_handler(self, entry: _Entry, item: Any) -> None:
        _require(item, OutputHandler, "ipybox_register_output_handlers")
        if taken := [mime for mime in item.mime_types if mime in self.output_handlers]:
            holder = self.output_handlers[taken[0]].name
            raise PluginError(f"the MIME type {taken[0]!r} is taken by the handler {holder!r}")
        if any(handler.name == item.name for handler in self.output_handlers.values()):
            raise PluginError(f"the output handler name {item.name!r} is taken")
        for mime_type in item.mime_types:
            self.output_handlers[mime_type] = item
        entry.provides.append(f"output handler {item.name}")


def _is_own(point: EntryPoint) -> bool:
    return point.dist is not None and point.dist.name == OWN_DISTRIBUTION


def _single(answers: Any) -> Any:
    """The one plugin's answer: pluggy leaves a None out of its list."""
    return answers[0] if answers else None


def _require(item: Any, kind: type, hook_name: str) -> None:
    if not isinstance(item, kind):
        raise PluginError(
            f"{hook_name} returned a {type(item).__name__}; a {kind.__name__} is needed"
        )


def _claim(taken: dict[str, Any], name: str, item: Any, what: str, entry: _Entry) -> None:
    if name in taken:
        raise PluginError(f"the {what} {name!r} is taken")
    taken[name] = item
    entry.provides.append(f"{what.removesuffix(' name')} {name}")


@functools.cache
def registry() -> PluginRegistry:
    """The plugins of this environment, loaded once."""
    from importlib.metadata import entry_points  # slow to import, and not needed before

    disabled = os.environ.get(DISABLE_VARIABLE, "").split(",")
    return PluginRegistry(
        entry_points(group=GROUP), (name.strip() for name in disabled if name.strip())
    )
