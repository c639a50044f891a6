"""The built-in output handlers and the collector, on valid, invalid and hostile data."""

import base64
import io
import struct
import zlib
from typing import Any

import pytest
from PIL import Image, UnidentifiedImageError

from ipybox.outputs.builtin import ImageHandler, TextHandler
from ipybox.outputs.collector import Bundle, OutputCollector
from ipybox.outputs.handler import OutputHandler
from ipybox.outputs.limits import OutputLimits
from ipybox.outputs.result import build_result


def encoded(name: str, size: tuple[int, int] = (3, 2), **options: Any) -> str:
    buffer = io.BytesIO()
    Image.new("RGB", size).save(buffer, name, **options)
    return base64.encodebytes(buffer.getvalue()).decode()  # with line breaks, as matplotlib's


def png_claiming(width: int, height: int) -> str:
    """A PNG of a few bytes whose header claims a size."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        body = kind + data
        return struct.pack("!I", len(data)) + body + struct.pack("!I", zlib.crc32(body))

    header = struct.pack("!IIBBBBB", width, height, 8, 2, 0, 0, 0)
    raw = b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(b"\0"))
    return base64.b64encode(raw + chunk(b"IEND", b"")).decode()


def test_images_are_decoded() -> None:
    image = ImageHandler().convert("image/png", encoded("png"), {})
    assert image.size == (3, 2)
    assert image.getpixel((0, 0)) == (0, 0, 0)


@pytest.mark.parametrize(
    ("mime_type", "data", "error", "message"),
    [
        ("image/png", png_claiming(60_000, 60_000), ValueError, "pixels|exceeds limit"),
        ("image/png", png_claiming(9_000, 9_000), ValueError, "at most 64,000,000"),
        ("image/png", encoded("gif"), UnidentifiedImageError, "identify"),
        ("image/jpeg", encoded("png"), UnidentifiedImageError, "identify"),
        ("image/png", "not base64!", ValueError, "base64|data|padding"),
        ("image/png", "", UnidentifiedImageError, "identify"),
        ("image/png", b"bytes", TypeError, "bytes"),
        ("image/png", None, TypeError, "NoneType"),
        ("image/png", encoded("png", (50, 50))[:60], Exception, "."),
    ],
)
def test_invalid_images_are_refused(
    mime_type: str, data: Any, error: type[Exception], message: str
) -> None:
    with pytest.raises((error, Image.DecompressionBombError), match=message):
        ImageHandler().convert(mime_type, data, {})


def test_all_frames_count_towards_the_pixel_limit() -> None:
    frames = [Image.new("RGB", (100, 100), (colour, 0, 0)) for colour in range(20, 220, 10)]
    data = encoded("gif", (100, 100), save_all=True, append_images=frames)
    with pytest.raises(ValueError, match="pixels in all frames"):
        ImageHandler(max_pixels=150_000).convert("image/gif", data, {})


def test_text_that_is_not_a_str_is_refused() -> None:
    with pytest.raises(TypeError, match="list"):
        TextHandler().convert("text/plain", ["a"], {})


class Raising:
    name = "raising"
    produces = "data"
    mime_types = ("application/x-bad", "application/x-worse")

    def convert(self, mime_type: str, data: Any, metadata: Any) -> Any:
        raise RecursionError(f"no {mime_type}")


def test_a_handler_that_raises_affects_only_its_own_entry() -> None:
    handler = Raising()
    assert isinstance(handler, OutputHandler)
    handlers = {"application/x-bad": handler, "text/plain": TextHandler()}
    output = OutputCollector(OutputLimits())
    output.bundle(Bundle("display", {"application/x-bad": 1, "text/plain": "fine"}))
    output.bundle(Bundle("display", {"text/plain": "next"}, {"text/plain": "no mapping"}))
    result = build_result(output, handlers)
    assert result.outputs[0].errors == {
        "application/x-bad": "raising: RecursionError: no application/x-bad"
    }
    assert result.outputs[0].values == {"text/plain": "fine"}
    assert result.text == "fine\nnext"


def test_the_description_of_an_image_is_not_in_the_text() -> None:
    output = OutputCollector(OutputLimits())
    output.bundle(Bundle("display", {"image/png": "x", "text/plain": "<Figure>"}))
    output.stream("stdout", " \n")
    assert build_result(output, {}).text is None


def test_update_replaces_text_and_bundle() -> None:
    output = OutputCollector(OutputLimits())
    output.bundle(Bundle("display", {"text/plain": "old"}, display_id="d"))
    output.bundle(Bundle("display", {"text/plain": "other"}, display_id="e"))
    output.update(Bundle("display", {"text/plain": "new"}, display_id="d"))
    result = build_result(output, {})
    assert result.text == "other\nnew"
    assert [item.data["text/plain"] for item in result.outputs] == ["new", "other"]


def test_clear_with_wait_takes_effect_at_the_next_output() -> None:
    output = OutputCollector(OutputLimits())
    output.stream("stdout", "stays")
    output.clear(wait=True)
    assert build_result(output, {}).text == "stays"
    output.stream("stdout", "comes")
    assert build_result(output, {}).text == "comes"


def test_text_beyond_the_limit_is_cut_and_counted() -> None:
    output = OutputCollector(OutputLimits(text=10))
    for _ in range(3):
        output.stream("stdout", "12345678")
    result = build_result(output, {})
    assert result.stdout == "1234567812"
    assert result.truncated.text == 14
