"""Images: find, pull, build and remove. The builds add a small layer to the suite's image."""

from __future__ import annotations

import secrets
from collections.abc import AsyncIterator
from contextlib import aclosing, asynccontextmanager, suppress

import pytest

from ipybox.backend import Capability
from ipybox.errors import ImageBuildError, ImageNotFoundError
from ipybox.spec.image import PROTOCOL_LABEL, BuildContext, BuildEvent
from ipybox.testing.conformance.base import Conformance
from ipybox.testing.conformance.checks import check

NOWHERE = "localhost:1/no-such/image"
"""An image whose registry does not answer."""
LABEL = """a "quote", a $HOME, a \\ and an 'é'"""
"""A label's value, of which an engine may interpret nothing."""


class ImageChecks(Conformance):
    @check(Capability.IMAGES)
    async def test_image_is_found_by_name_and_by_id(self) -> None:
        image = await self.subject.image(self.tag)
        assert image is not None
        assert PROTOCOL_LABEL in image.labels
        assert image.size_bytes > 0
        assert any(self.tag in tag for tag in image.tags)
        by_id = await self.subject.image(image.id)
        assert by_id is not None and by_id.id == image.id

    @check(Capability.IMAGES)
    async def test_unknown_image_is_none(self) -> None:
        assert await self.subject.image(NOWHERE) is None

    @check(Capability.IMAGES)
    async def test_images_with_the_runtime_are_listed(self) -> None:
        image = await self.subject.image(self.tag)
        assert image is not None
        (listed,) = [found for found in await self.subject.images() if found.id == image.id]
        assert set(listed.tags) == set(image.tags)
        assert listed.labels == image.labels
        assert abs(listed.created - image.created) < 2

    @check(Capability.IMAGES)
    async def test_failed_pull_raises_image_not_found_error(self) -> None:
        with pytest.raises(ImageNotFoundError, match=NOWHERE):
            async for _ in self.subject.pull(NOWHERE):
                pass

    @check(Capability.IMAGES)
    async def test_start_of_an_unknown_image_raises_image_not_found_error(self) -> None:
        with pytest.raises(ImageNotFoundError):
            async with self.started(tag=NOWHERE):
                pass

    @check(Capability.IMAGES)
    async def test_build_gives_the_image_its_names_and_labels(self) -> None:
        async with self._context("COPY one.txt /one.txt") as context:
            events = await self._build(context)
            assert events[-1].kind == "done"
            assert [event.kind for event in events].count("done") == 1
            assert "step" in {event.kind for event in events}
            for tag in context.tags:
                image = await self.subject.image(tag)
                assert image is not None
                assert image.id == events[-1].text
                assert context.labels.items() <= image.labels.items()
            async with self.started(tag=context.tags[0]) as container:
                code = "print(open('/one.txt').read())"
                assert await self.python(code, on=container) == "one\n"

    @check(Capability.IMAGES)
    async def test_image_is_removed_with_its_last_name(self) -> None:
        async with self._context("COPY one.txt /two.txt") as context:
            image_id = (await self._build(context))[-1].text
            first, second = context.tags
            await self.subject.remove_image(first)
            assert await self.subject.image(first) is None
            assert await self.subject.image(second) is not None
            await self.subject.remove_image(second)
            assert await self.subject.image(image_id) is None

    @check(Capability.IMAGES)
    async def test_removal_of_an_unknown_image_raises_image_not_found_error(self) -> None:
        with pytest.raises(ImageNotFoundError):
            await self.subject.remove_image(NOWHERE)

    @check(Capability.IMAGES)
    async def test_failed_build_step_is_reported_with_its_output(self) -> None:
        async with self._context("RUN echo before; echo what went wrong >&2; exit 3") as context:
            with pytest.raises(ImageBuildError) as caught:
                await self._build(context)
            assert any("what went wrong" in line for line in caught.value.output)
            assert [await self.subject.image(tag) for tag in context.tags] == [None, None]

    @check(Capability.IMAGES)
    async def test_build_on_an_unknown_base_raises_image_build_error(self) -> None:
        async with self._context("", base=NOWHERE) as context:
            with pytest.raises(ImageBuildError):
                await self._build(context)

    @check(Capability.IMAGES)
    async def test_abandoned_build_leaves_no_image(self) -> None:
        async with self._context("RUN echo up && sleep 20") as context:
            async with aclosing(self.subject.build(context)) as events:  # type: ignore[type-var]  # all backends return generators
                async for event in events:
                    if "up" in event.text.split():
                        break
            assert [await self.subject.image(tag) for tag in context.tags] == [None, None]

    @asynccontextmanager
    async def _context(self, step: str, base: str | None = None) -> AsyncIterator[BuildContext]:
        """Make the context of a build with one step and two names; remove them on exit."""
        name = f"ipybox-suite/{secrets.token_hex(6)}"
        tags = (f"{name}:one", f"{name}:two")
        text = f"FROM {base or self.tag}\nUSER 0\nLABEL suite={name}\n{step}\nUSER 1000\n"
        files = {"Dockerfile": text.encode(), "one.txt": b"one"}
        try:
            yield BuildContext(
                recipe="suite", files=files, tags=tags, content_hash="0" * 64,
                labels={"ipybox.suite": name, "ipybox.hostile": LABEL},
            )  # fmt: skip
        finally:
            for tag in tags:
                with suppress(ImageNotFoundError):  # removed by the check, or never built
                    await self.subject.remove_image(tag)

    async def _build(self, context: BuildContext) -> list[BuildEvent]:
        return [event async for event in self.subject.build(context)]
