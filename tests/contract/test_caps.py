"""Caps: what is past them is counted and told, and nothing else suffers."""

import io
import tracemalloc
from pathlib import Path

import pytest

from ipybox import (
    ExecutionClient,
    ExecutionContainer,
    ExecutionError,
    InvalidArgumentError,
    OutputLimits,
    SpillError,
)

MEBIBYTE = 1024 * 1024


async def test_text_beyond_the_default_cap(client: ExecutionClient) -> None:
    """The memory that it takes is bounded too."""
    await client.execute("1")
    tracemalloc.start()
    try:
        result = await client.execute("for i in range(100): print('x' * 1_000_000)\nprint('end')")
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert len(result.stdout) == 10 * MEBIBYTE
    assert result.truncated.text == 100 * 1_000_001 + 4 - 10 * MEBIBYTE
    assert not result.truncated.outputs
    assert peak < (10 + 64) * MEBIBYTE
    assert (await client.execute("print('on')")).text == "on"


@pytest.mark.parametrize("write", ["os.write(1, b'x\\n')", "print('x', file=sys.stderr)"])
async def test_many_small_pieces_take_no_more_memory(client: ExecutionClient, write: str) -> None:
    tracemalloc.start()
    try:
        code = f"import os, sys\nfor i in range(300_000):\n    {write}"
        result = await client.execute(code)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert len(result.stdout + result.stderr) == 600_000
    assert peak < 64 * MEBIBYTE


async def test_bytes_are_counted_and_no_character_is_cut(container: ExecutionContainer) -> None:
    limits = OutputLimits(text=10)
    async with ExecutionClient(container.port, limits=limits) as client:
        result = await client.execute("print('€€€€', end='')\nprint('x')")
    assert result.stdout == "€€€"  # nothing stands behind the gap, though it would have room
    assert result.truncated.text == 5


async def test_a_message_above_the_cap(container: ExecutionContainer) -> None:
    limits = OutputLimits(message=MEBIBYTE)
    async with ExecutionClient(container.port, limits=limits) as client:
        result = await client.execute("""
            display({"application/json": "x" * 3_000_000}, raw=True)
            display("small")
            print("y" * 3_000_000)  # text comes in pieces, and has a cap of its own
        """)
        assert [output.values["text/plain"] for output in result.outputs] == ["'small'"]
        assert result.truncated.messages == 1
        assert 3_000_000 < result.truncated.message_bytes < 3_010_000
        assert len(result.stdout) == 3_000_001
        with pytest.raises(ExecutionError) as caught:
            await client.execute("raise ValueError('z' * 3_000_000)")
        assert caught.value.args[0].startswith("ValueError: zzz")
        assert len(caught.value.args[0]) < 20_000
        assert caught.value.result is not None
        assert caught.value.result.truncated.messages >= 1
        assert (await client.execute("print('on')")).text == "on"


async def test_text_has_no_need_of_large_messages(container: ExecutionContainer) -> None:
    async with ExecutionClient(container.port, limits=OutputLimits(message=1000)) as client:
        result = await client.execute("print('\\0' * 3_000_000)")
        assert result.stdout == "\0" * 3_000_000 + "\n"
        assert not result.truncated


async def test_a_message_below_the_cap(client: ExecutionClient) -> None:
    data = "'x' * 30_000_000"
    result = await client.execute(f"display({{'application/json': {data}}}, raw=True)")
    assert result.outputs[0].values["application/json"] == "x" * 30_000_000
    assert not result.truncated


async def test_images_of_some_size(client: ExecutionClient) -> None:
    code = """
        import base64, io, os
        from PIL import Image
        buffer = io.BytesIO()
        Image.frombytes("RGB", (1500, 1000), os.urandom(4_500_000)).save(buffer, "png")
        display({"image/png": base64.b64encode(buffer.getvalue()).decode()}, raw=True)
    """
    result = await client.execute(code)
    assert [image.size for image in result.images] == [(1500, 1000)]


async def test_spill_to_a_folder(client: ExecutionClient, tmp_path: Path) -> None:
    code = "for i in range(20): print(str(i % 10) * 1_000_000)"
    result = await client.execute(code, spill=tmp_path)
    assert result.spilled is not None
    assert result.spilled.parent == tmp_path
    whole = "".join(str(i % 10) * 1_000_000 + "\n" for i in range(20))
    assert result.spilled.read_text() == whole
    assert result.stdout == whole[: 10 * MEBIBYTE]
    assert result.truncated.text == len(whole) - 10 * MEBIBYTE
    quiet = await client.execute("x = 1", spill=str(tmp_path))
    assert quiet.spilled is None
    assert len(list(tmp_path.iterdir())) == 1


async def test_spill_to_files(client: ExecutionClient) -> None:
    text, binary = io.StringIO(), io.BytesIO()
    await client.execute("print('ü')", spill=text)
    await client.execute("print('ü')", spill=binary)
    assert (text.getvalue(), binary.getvalue()) == ("ü\n", b"\xc3\xbc\n")


async def test_spill_of_an_execution_that_fails(client: ExecutionClient, tmp_path: Path) -> None:
    with pytest.raises(ExecutionError) as caught:
        await client.execute("print('before')\n1/0", spill=tmp_path)
    assert caught.value.result is not None
    assert caught.value.result.spilled is not None
    assert caught.value.result.spilled.read_text() == "before\n"


async def test_bad_spills(client: ExecutionClient, tmp_path: Path) -> None:
    for bad in (tmp_path / "missing", 7, object()):
        with pytest.raises(InvalidArgumentError, match="spill"):
            await client.submit("print(1)", spill=bad)  # type: ignore[arg-type]
    closed = io.StringIO()
    closed.close()
    with pytest.raises(SpillError, match="closed"):
        await client.execute("print(1)", spill=closed)
    with pytest.raises(SpillError):
        with open("/dev/full", "w") as full:
            await client.execute("print('x' * 100_000)", spill=full)
    assert (await client.execute("2")).text == "2"


@pytest.mark.parametrize("name", ["text", "message", "outputs"])
@pytest.mark.parametrize("value", [0, -1, 1.5, True, None, "1"])
def test_bad_limits(name: str, value: object) -> None:
    with pytest.raises(InvalidArgumentError, match=rf"limits\.{name}"):
        OutputLimits(**{name: value})  # type: ignore[arg-type]
