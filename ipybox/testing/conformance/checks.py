"""What makes a method a check of the suites, and how it is replaced.

A check runs in the suite's own event loop: so it is an ordinary function to pytest, and it
does not matter which asyncio plugin is there, in which mode, or whether there is one.
"""

from __future__ import annotations

import asyncio
import functools
import inspect
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from typing import Any, Concatenate, ParamSpec, Protocol, TypeVar

from ipybox.backend import Capability

SUITE_VERSION = "2.0"
"""Version of both suites, major.minor.

A mandatory check that is new raises the minor version; renaming or removing a check raises
the major version, because overrides refer to checks by name.
"""
CHECK_SECONDS = 90.0

P = ParamSpec("P")


class Runs(Protocol):
    """What has an event loop for its checks."""

    def run(self, work: Coroutine[Any, Any, None]) -> None: ...


S = TypeVar("S", bound=Runs)


@dataclass(frozen=True, kw_only=True)
class Check:
    """``needs``: without one of these capabilities it is skipped. ``since``: the suite's
    version that brought it. ``reason``: why it was replaced by its author's own.
    ``seconds``: within which it must end."""

    needs: tuple[Capability, ...] = ()
    since: str = SUITE_VERSION
    reason: str | None = None
    seconds: float = CHECK_SECONDS


def check(
    *needs: Capability, since: str = "2.0", seconds: float = CHECK_SECONDS
) -> Callable[
    [Callable[Concatenate[S, P], Coroutine[Any, Any, None]]], Callable[Concatenate[S, P], None]
]:
    """Makes a coroutine method a check, which must end within so many seconds."""
    return _decorator(Check(needs=needs, since=since, seconds=seconds))


def overrides(
    reason: str, *needs: Capability, seconds: float = CHECK_SECONDS
) -> Callable[
    [Callable[Concatenate[S, P], Coroutine[Any, Any, None]]], Callable[Concatenate[S, P], None]
]:
    """Makes a coroutine method take the place of the suite's check of that name."""
    if not reason.strip():
        raise TypeError("a check is overridden for a reason; tell it.")
    return _decorator(Check(needs=needs, reason=reason, seconds=seconds))


def check_of(function: object) -> Check | None:
    """What ``function`` checks; None where it is no check."""
    found = getattr(function, "__ipybox_check__", None)
    return found if isinstance(found, Check) else None


def checks_in(cls: type) -> dict[str, Check]:
    """All checks of a suite, by name."""
    found = {name: check_of(member) for name, member in inspect.getmembers(cls)}
    return {name: value for name, value in found.items() if value is not None}


def check_overrides(cls: type) -> None:
    """Raise TypeError unless every override names a check and gives its reason."""
    for name in {name for base in cls.__mro__ for name in vars(base)}:
        # A mixin that comes before the suite among the bases replaces its checks as well.
        owners = [base for base in cls.__mro__ if name in vars(base)]
        checking = [base for base in owners if check_of(vars(base)[name]) is not None]
        if not checking:
            continue
        found = check_of(vars(owners[0])[name])
        if owners[0] is checking[-1]:
            if found is not None and found.reason is not None:
                raise TypeError(
                    f"{owners[0].__name__}.{name} is marked as an override, but version "
                    f"{SUITE_VERSION} of the suite has no check of that name. "
                    "Use the check's present name, or remove @overrides."
                )
        elif found is None or found.reason is None:
            raise TypeError(
                f"{owners[0].__name__}.{name} overrides a check of {checking[-1].__name__} "
                "without a reason. Decorate it with @overrides('why')."
            )


def check_suite_version(cls: type, version: str) -> None:
    """Raise TypeError if a class was written for an earlier major version of the suite."""
    if parse_version(version)[0] < parse_version(SUITE_VERSION)[0]:
        raise TypeError(
            f"{cls.__name__}.suite_version is {version!r}, but the installed suite has version "
            f"{SUITE_VERSION}, which renamed or removed checks. "
            f"Review the class's overrides and set suite_version = {SUITE_VERSION!r}."
        )


def parse_version(version: str) -> tuple[int, ...]:
    """Return a suite version as numbers that compare in order."""
    return tuple(map(int, version.split(".")))


def _decorator(description: Check) -> Callable[[Any], Any]:
    def decorate(method: Callable[..., Coroutine[Any, Any, None]]) -> Callable[..., None]:
        if not inspect.iscoroutinefunction(method):
            raise TypeError(f"{method.__qualname__}: a check is an 'async def'.")

        @functools.wraps(method)
        def run(self: Runs, *args: Any, **kwargs: Any) -> None:
            self.run(_within(description.seconds, method(self, *args, **kwargs)))

        run.__ipybox_check__ = description  # type: ignore[attr-defined]  # read by check_of
        return run

    return decorate


async def _within(seconds: float, work: Coroutine[Any, Any, None]) -> None:
    deadline = asyncio.timeout(seconds)
    try:
        async with deadline:
            await work
    except TimeoutError as error:
        if deadline.expired():
            raise AssertionError(f"the check hung: no end within {seconds:.0f} s") from error
        raise
