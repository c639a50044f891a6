"""Displayed images and typed data."""

from __future__ import annotations

import base64
import io

import pytest
from PIL import Image

from ipybox.errors import ExecutionError
from ipybox.testing.conformance.checks import check
from ipybox.testing.conformance.session.base import SessionChecks

PNG = (
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5E"
    "rkJggg=="
)


class DisplayChecks(SessionChecks):
    """Displayed data keeps its types and its order."""

    @check()
    async def test_bundles_keep_their_order_and_types(self) -> None:
        async with self.client() as client:
            result = await client.execute(f"""
                from IPython.display import display
                display({{"text/html": "<b>x</b>", "text/plain": "x"}}, raw=True)
                display({{"image/png": "{PNG}"}}, raw=True)
                display({{"application/json": {{"a": [1, None]}}}}, raw=True)
                display({{"application/x-unknown": "?"}}, raw=True)
                rest = {{"image/svg+xml": "<svg/>", "text/latex": "$x$", "text/markdown": "*x*"}}
                display(rest, raw=True)
                40 + 2
            """)
            assert [output.mime_types for output in result.outputs] == [
                ("text/html", "text/plain"),
                ("image/png",),
                ("application/json",),
                ("application/x-unknown",),
                ("image/svg+xml", "text/latex", "text/markdown"),
                ("text/plain",),
            ]
            assert [output.kind for output in result.outputs] == ["display"] * 5 + ["result"]
            assert result.outputs[0].values["text/html"] == "<b>x</b>"
            assert result.outputs[2].values["application/json"] == {"a": [1, None]}
            assert result.outputs[3].values == {}
            assert result.outputs[4].values["image/svg+xml"] == "<svg/>"
            assert [image.size for image in result.images] == [(1, 1)]
            assert result.text == "x\n42"

    @check()
    async def test_every_image_format_is_decoded(self) -> None:
        async with self.client() as client:
            bundles = []
            for name in ("png", "jpeg", "gif", "webp"):
                buffer = io.BytesIO()
                Image.new("RGB", (3, 2), "red").save(buffer, name)
                bundles.append({f"image/{name}": base64.b64encode(buffer.getvalue()).decode()})
            result = await client.execute(f"for bundle in {bundles!r}: display(bundle, raw=True)")
            assert [image.format for image in result.images] == ["PNG", "JPEG", "GIF", "WEBP"]
            assert {image.size for image in result.images} == {(3, 2)}

    @check()
    async def test_a_broken_image_is_reported_on_its_own_output(self) -> None:
        async with self.client() as client:
            result = await client.execute(
                "display({'image/png': 'bm8='}, raw=True)\n"
                f"display({{'image/png': '{PNG}'}}, raw=True)"
            )
            assert "UnidentifiedImageError" in result.outputs[0].errors["image/png"]
            assert result.outputs[0].values == {}
            assert len(result.images) == 1

    @check()
    async def test_images_are_kept_on_the_exception(self) -> None:
        async with self.client() as client:
            with pytest.raises(ExecutionError) as caught:
                await client.execute(f"display({{'image/png': '{PNG}'}}, raw=True)\n1/0")
            assert len(caught.value.images) == 1

    @check()
    async def test_clear_output_removes_earlier_text(self) -> None:
        async with self.client() as client:
            result = await client.execute("""
                from IPython.display import clear_output
                print("gone"); clear_output(); print("one")
                clear_output(wait=True); print("two", flush=True); clear_output(wait=True)
            """)
            assert result.text == "two"

    @check()
    async def test_a_display_update_replaces_its_output(self) -> None:
        async with self.client() as client:
            result = await client.execute("""
                handle = display("first", display_id=True)
                print("between")
                handle.update("second")
            """)
            assert result.text is not None
            assert len(result.outputs) == 1
            assert result.outputs[0].values["text/plain"] == "'second'"
            assert "first" not in result.text
            later = await client.execute("handle.update('third')")
            assert later.outputs[0].values["text/plain"] == "'third'"

    @check()
    async def test_an_image_of_several_megabytes_arrives(self) -> None:
        async with self.client() as client:
            code = """
                import base64, io, os
                from PIL import Image
                buffer = io.BytesIO()
                Image.frombytes("RGB", (1500, 1000), os.urandom(4_500_000)).save(buffer, "png")
                display({"image/png": base64.b64encode(buffer.getvalue()).decode()}, raw=True)
            """
            result = await client.execute(code)
            assert [image.size for image in result.images] == [(1500, 1000)]

    @pytest.mark.index
    @check(seconds=250)
    async def test_figures_are_png_or_svg(self) -> None:
        """The same plot arrives as PNG by default, and as SVG with IPYBOX_FIGURE_FORMAT."""
        plot = """
            import matplotlib.pyplot as plt
            heights = [2, 7, 4, 5]
            plt.plot(heights, marker="o")
            plt.show()
            print(f"{len(heights)} points drawn")
        """
        for options in ({}, {"env": {"IPYBOX_FIGURE_FORMAT": "svg"}}):
            async with self.session(**options) as client:
                await client.execute("%pip install -q matplotlib", timeout=250)
                result = await client.execute(plot)
                assert (result.text or "").endswith("4 points drawn")
                if options:
                    assert "<svg" in result.outputs[0].values["image/svg+xml"]
                else:
                    assert [min(image.size) > 200 for image in result.images] == [True]
                    assert result.images[0].format == "PNG"
