"""What code returns: text, errors, completions."""

from __future__ import annotations

import pytest

from ipybox.errors import ExecutionError, InvalidArgumentError
from ipybox.testing.conformance.checks import check
from ipybox.testing.conformance.session.base import SessionChecks


class Code(str):
    """A subclass of str, such as a template engine's."""


class CodeChecks(SessionChecks):
    """One execution at a time: what it prints, returns and raises."""

    @check()
    async def test_text_is_stripped_and_keeps_the_order_of_arrival(self) -> None:
        async with self.client() as client:
            result = await client.execute(
                "import sys\nprint('  one')\nprint('two', file=sys.stderr)\n'three'"
            )
            assert result.stdout == "  one\n"
            assert result.stderr == "two\n"
            assert result.text is not None
            assert sorted(result.text.split()) == ["'three'", "one", "two"]
            assert result.text.endswith("'three'")
            assert (await client.execute("x = 1")).text is None

    @pytest.mark.parametrize(
        ("code", "text"),
        [
            ("\n        x = 2\n        print(x)\n        ", "2"),
            ("!echo from the shell", "from the shell"),
            ("%pwd", None),
            ("import asyncio\nawait asyncio.sleep(0)\nprint('awaited')", "awaited"),
            ("\n".join(f"x{i} = {i}" for i in range(10_000)) + "\nprint(x9999)", "9999"),
            ("%%capture captured\nprint('hidden')", None),
            ("print('ünï', '日本', '🎉', '\\x00|')", "ünï 日本 🎉 \x00|"),
            ("", None),
        ],
        ids=[
            "indented",
            "shell",
            "magic",
            "await",
            "10,000 lines",
            "cell magic",
            "unicode",
            "empty",
        ],
    )
    @check()
    async def test_every_kind_of_code_runs(self, code: str, text: str | None) -> None:
        async with self.client() as client:
            result = await client.execute(code)
            if code == "%pwd":
                assert result.text is not None
                assert result.text.strip("'").endswith("/app")
            else:
                assert result.text == text

    @check()
    async def test_help_is_output(self) -> None:
        async with self.client() as client:
            result = await client.execute("len?")
            assert result.text is not None
            assert "Return the number of items" in result.text

    @check()
    async def test_an_error_has_message_trace_and_earlier_output(self) -> None:
        async with self.client() as client:
            with pytest.raises(ExecutionError) as caught:
                await client.execute("print('before')\ndef fail():\n    return y\nfail()")
            assert caught.value.args[0] == "NameError: name 'y' is not defined"
            assert "in fail()" in caught.value.trace
            assert "\x1b" not in caught.value.trace
            assert caught.value.text == "before"
            assert (await client.execute("print('after')")).text == "after"

    @pytest.mark.parametrize("character", ["\\udcff", "\\ud800"])
    @check()
    async def test_lone_surrogates_are_replaced(self, character: str) -> None:
        """Python strings can hold them, for example in file names; the connection stays up."""
        async with self.client() as client:
            with pytest.raises(ExecutionError, match=r"ValueError: before\?"):
                await client.execute(f"raise ValueError('before{character}')")
            result = await client.execute(
                f"display({{'text/html': 'x{character}'}}, raw=True); print(1)"
            )
            assert result.outputs[0].values["text/html"] == "x?"
            assert result.text == "1"

    @check()
    async def test_code_can_be_a_subclass_of_str(self) -> None:
        async with self.client() as client:
            assert (await client.execute(Code("print(1)"), timeout=10)).text == "1"

    @check()
    async def test_oversized_code_is_refused(self) -> None:
        async with self.client() as client:
            with pytest.raises(InvalidArgumentError, match="at most 62,914,560"):
                await client.execute("x = '" + "a" * 70_000_000 + "'")
            assert (await client.execute("print(1)")).text == "1"

    @check()
    async def test_invalid_code_is_refused(self) -> None:
        async with self.client() as client:
            with pytest.raises(InvalidArgumentError, match="str"):
                await client.execute(b"1")  # type: ignore[arg-type]
            with pytest.raises(InvalidArgumentError, match="surrogate"):
                await client.execute("'\ud800'")
            with pytest.raises(ExecutionError, match="SyntaxError"):
                await client.execute("def")
            assert (await client.execute("1")).text == "1"

    @check()
    async def test_completion_returns_matches_and_their_range(self) -> None:
        async with self.client() as client:
            await client.execute("something_long = 1")
            completions = await client.complete("1 + something_l")
            assert "something_long" in completions.matches
            assert (completions.start, completions.end) == (4, 15)
