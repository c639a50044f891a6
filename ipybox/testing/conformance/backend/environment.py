"""Environment variables of a container."""

from __future__ import annotations

import os

from ipybox.testing.conformance.base import Conformance
from ipybox.testing.conformance.checks import check

VALUES = {
    "EMPTY": "",
    "BLANKS": "  two  blanks  ",
    "LINES": "a\nb\r\n\tc\n",
    "QUOTES": "'\"`\\ $HOME ${PATH} $(id) %PATH% !x #y",
    "EQUALS": "a=b=c",
    "UNICODE": "é ü 漢字 🙂",
    "lower.case-and_odd": "names too",
}


class EnvironmentChecks(Conformance):
    @check()
    async def test_variables_arrive_unchanged(self) -> None:
        async with self.started(env=VALUES) as container:
            code = f"import os; print(ascii({{n: os.environ.get(n) for n in {list(VALUES)!r}}}))"
            assert await self.python(code, on=container) == f"{VALUES!a}\n"

    @check()
    async def test_many_and_long_variables_arrive(self) -> None:
        env = {f"MANY_{number}": str(number) for number in range(200)} | {"LONG": "x" * 60_000}
        async with self.started(env=env) as container:
            code = """
                import os
                print(sum(int(v) for n, v in os.environ.items() if n.startswith("MANY_")),
                      len(os.environ["LONG"]))
            """
            assert await self.python(code, on=container) == f"{sum(range(200))} 60000\n"

    @check()
    async def test_host_variables_do_not_reach_the_code(self) -> None:
        os.environ["IPYBOX_SUITE_HOST"] = "from the host"
        try:
            async with self.started() as container:
                code = "import os; print(os.environ.get('IPYBOX_SUITE_HOST'))"
                assert await self.python(code, on=container) == "None\n"
        finally:
            del os.environ["IPYBOX_SUITE_HOST"]

    @check()
    async def test_variables_do_not_reach_other_containers(self) -> None:
        async with self.started(env={"IPYBOX_SUITE_OWN": "1"}):
            code = "import os; print(os.environ.get('IPYBOX_SUITE_OWN'))"
            assert await self.python(code) == "None\n"
