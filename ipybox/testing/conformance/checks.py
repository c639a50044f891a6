"""The decorators that make a method a check of a suite, or the replacement of one.

A check is a coroutine method that runs in the suite's own event loop. To pytest it is an
ordinary function, so it makes no difference which asyncio plugin is installed, in which mode
it runs, or whether there is any.
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
BASE_VERSION = "2.0"
"""The version with which the present major version began; checks have it unless they name one."""
CHECK_SECONDS = 90.0
"""Seconds within which a check must finish, unless it names a number of its own."""

P = ParamSpec("P")


class Suite(Protocol):
    """A test class that has an event loop for its checks."""

    def run(self, work: Coroutine[Any, Any, None]) -> None:
        """Run a check to completion."""
        ...


S = TypeVar("S", bound=Suite)


@dataclass(frozen=True, kw_only=True)
class Check:
    """What a decorator says about a check.

    Attributes:
        needs: Capabilities without which the check is skipped.
        since: Version of the suite that introduced the check.
        reason: Why the author of a backend replaced the suite's check; None: it is the
            suite's own.
        seconds: Time within which the check must finish.
    """

    needs: tuple[Capability, ...] = ()
    since: str = BASE_VERSION
    reason: str | None = None
    seconds: float = CHECK_SECONDS


def check(
    *needs: Capability, since: str = BASE_VERSION, seconds: float = CHECK_SECONDS
) -> Callable[
    [Callable[Concatenate[S, P], Coroutine[Any, Any, None]]], Callable[Concatenate[S, P], None]
]:
    """Return a decorator that makes a coroutine method a check.

    Args:
        needs: Capabilities without which the check is skipped.
        since: Version of the suite that introduces the check.
        seconds: Time within which the check must finish; it fails otherwise.

    Raises:
        TypeError: By the decorator, if the method is not an ``async def``.
    """
    return _decorator(Check(needs=needs, since=since, seconds=seconds))


def overrides(
    reason: str, *needs: Capability, seconds: float = CHECK_SECONDS
) -> Callable[
    [Callable[Concatenate[S, P], Coroutine[Any, Any, None]]], Callable[Concatenate[S, P], None]
]:
    """Return a decorator that makes a coroutine method replace the suite's check of its name.

    Args:
        reason: Why the suite's check cannot hold for this backend; the table at the end of
            the run shows it.
        needs: Capabilities without which the replacement is skipped.
        seconds: Time within which the replacement must finish; it fails otherwise.

    Raises:
        TypeError: If the reason is blank; by the decorator, if the method is not an
            ``async def``.
    """
    if not reason.strip():
        raise TypeError(
            f"overrides() needs a reason, got {reason!r}. Say why the suite's check cannot hold."
        )
    return _decorator(Check(needs=needs, reason=reason, seconds=seconds))


def check_of(function: object) -> Check | None:
    """Return what the decorator of ``function`` says; None if it is not a check."""
    found = getattr(function, "__ipybox_check__", None)
    return found if isinstance(found, Check) else None


def checks_in(cls: type) -> dict[str, Check]:
    """Return all checks of a suite by name."""
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
            raise TypeError(
                f"{method.__qualname__} cannot be a check: it must be an 'async def', got "
                f"{type(method).__name__}."
            )

        @functools.wraps(method)
        def run(self: Suite, *args: Any, **kwargs: Any) -> None:
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
            raise AssertionError(f"the check did not finish within {seconds:g} s") from error
        raise
