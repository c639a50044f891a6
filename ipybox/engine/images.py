"""The images of an engine: found, pulled, built and removed."""

from __future__ import annotations

import re
from abc import ABC, abstractmethod
from collections import deque
from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from contextlib import aclosing
from dataclasses import dataclass

from ipybox.engine.errors import build_failed, pull_failed
from ipybox.errors import BackendError, ImageBuildError, ImageNotFoundError
from ipybox.spec.image import BuildContext, BuildEvent, ImageInfo

BUILD_TIMEOUT = 1800.0
"""Seconds that a pull or a build may take in all; a step that hangs is given up after that."""
KEPT_LINES = 50
"""So many of a failed step's last lines go into its error."""


@dataclass(frozen=True, kw_only=True)
class BuildSyntax:
    """How an engine prints a build.

    Attributes:
        step: Matches the text that begins a step; its groups are the step's number, the number
            of steps, and the instruction.
        noise: Matches the start of lines that are the engine's, and no output of the step.
        image_id: Matches a line that is the id of the image so far; None if the engine reports
            the id in another way.
    """

    step: re.Pattern[str]
    noise: re.Pattern[str]
    image_id: re.Pattern[str] | None = None


class BuildLog:
    """Turns the text that an engine prints during a build into events.

    Attributes:
        image_id: Id of the image so far; empty until the engine has reported one.
        output: The last lines of the current step.
    """

    def __init__(self, image: str, syntax: BuildSyntax) -> None:
        """Start the log of a build.

        Args:
            image: The name of the image, for error messages.
            syntax: How the engine prints the build.
        """
        self.image_id = ""
        self.output: deque[str] = deque(maxlen=KEPT_LINES)
        self._image = image
        self._syntax = syntax
        self._step = ""

    def feed(self, text: str) -> list[BuildEvent]:
        """Turn a piece of what the engine prints into events.

        Args:
            text: The piece, which may have many lines.

        Returns:
            The "step" and "output" events.
        """
        text = text.strip("\n")
        if found := self._syntax.step.match(text):
            step, steps, self._step = found.groups()
            self.output.clear()
            return [BuildEvent(kind="step", text=self._step, step=int(step), steps=int(steps))]
        events = []
        for line in text.splitlines():
            if self._syntax.image_id is not None and self._syntax.image_id.match(line):
                self.image_id = line
            elif line.strip() and not self._syntax.noise.match(line):
                self.output.append(line)
                events.append(BuildEvent(kind="output", text=line))
        return events

    def error(self, failure: str) -> ImageBuildError:
        """Return the error for a build that failed.

        Args:
            failure: What the engine reported; left out if a step of ipybox's own has printed
                the reason.

        Returns:
            The error, with the last lines of the step's output.
        """
        return build_failed(self._image, failure, self._step, tuple(self.output))


class EngineImages(ABC):
    """The image operations of one engine. Every call raises only BackendErrors.

    Attributes:
        syntax: How the engine prints a build.
    """

    syntax: BuildSyntax

    @abstractmethod
    async def find(self, image: str) -> ImageInfo | None:
        """Find an image.

        Args:
            image: Its name or id.

        Returns:
            The image; None if the engine does not have it.
        """

    @abstractmethod
    async def list(self) -> Sequence[ImageInfo]:
        """Return all images that hold ipybox's runtime."""

    @abstractmethod
    async def remove(self, image: str) -> None:
        """Remove a name from an image; with its last name, remove the image.

        Args:
            image: The name.

        Raises:
            ImageNotFoundError: If no image has the name.
        """

    @abstractmethod
    def pull_events(self, image: str) -> AsyncGenerator[BuildEvent]:
        """Pull an image.

        Args:
            image: Its name.

        Yields:
            "progress" events.
        """

    @abstractmethod
    def build_events(self, context: BuildContext, log: BuildLog) -> AsyncGenerator[BuildEvent]:
        """Build an image.

        An engine that does not print the image's id sets ``log.image_id``.

        Args:
            context: The files, names and labels.
            log: Turns what the engine prints into events.

        Yields:
            Events as :meth:`BuildLog.feed` makes them.
        """

    async def add_names(self, image_id: str, names: Sequence[str]) -> None:
        """Give a built image its names. Does nothing if the build has given them.

        Args:
            image_id: The id of the image.
            names: The names.
        """
        return

    async def pull(self, image: str) -> AsyncIterator[BuildEvent]:
        """Pull an image.

        Args:
            image: Its name.

        Yields:
            "progress" events; the last event is "done".

        Raises:
            ImageNotFoundError: If the image cannot be pulled.
        """
        try:
            async with aclosing(self.pull_events(image)) as events:
                async for event in events:
                    yield event
        except BackendError as error:
            raise pull_failed(image, error) from error
        found = await self.find(image)
        if found is None:
            raise ImageNotFoundError(f"The image {image!r} is missing after it was pulled.")
        yield BuildEvent(kind="done", text=found.id)

    async def build(self, context: BuildContext) -> AsyncIterator[BuildEvent]:
        """Build an image.

        Args:
            context: The files, names and labels.

        Yields:
            "step" and "output" events; the last event is "done".

        Raises:
            ImageBuildError: If a step fails, with the last lines of its output; or if the engine
                stops the build without an image.
        """
        log = BuildLog(context.tags[0], self.syntax)
        try:
            async with aclosing(self.build_events(context, log)) as events:
                async for event in events:
                    yield event
        except BackendError as error:
            raise log.error(str(error)) from error
        if not log.image_id:
            raise ImageBuildError(
                f"The engine ended the build of {context.tags[0]} without reporting an image id. "
                "Try again.",
                log.output,
            )
        await self.add_names(log.image_id, context.tags)
        yield BuildEvent(kind="done", text=log.image_id)
