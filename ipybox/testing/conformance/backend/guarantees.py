"""Guarantees, compared with what the suite's own probes find inside the container."""

from __future__ import annotations

import asyncio
import secrets
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from ipybox.backend import Capability
from ipybox.errors import GuaranteeError
from ipybox.spec.status import CONCERNS, Concern
from ipybox.testing.conformance.backend.probes import STATUS, status_of
from ipybox.testing.conformance.base import Conformance
from ipybox.testing.conformance.checks import check


class GuaranteeChecks(Conformance):
    @check()
    async def test_isolation_matches_the_capability(self) -> None:
        isolates = Capability.ISOLATION in self.capabilities
        assert (self.shared.guarantees.isolation != "none") == isolates

    @check()
    async def test_guarantees_use_the_documented_keys(self) -> None:
        """No container of the suite's default spec has read-only binds."""
        assert set(self.shared.guarantees.details) <= set(CONCERNS)

    @check()
    async def test_without_isolation_nothing_is_enforced_and_strict_refuses(self) -> None:
        if Capability.ISOLATION in self.capabilities:
            return  # the checks below compare what is enforced
        assert "enforced" not in self.shared.guarantees.details.values()
        with pytest.raises(GuaranteeError):
            async with self.running(strict=True):
                pass

    @check(Capability.ISOLATION)
    async def test_user_is_unprivileged_or_reported(self) -> None:
        await self._compare("user", "root", lambda found: found["Uid"] != "0")

    @check(Capability.ISOLATION)
    async def test_capabilities_are_dropped_or_reported(self) -> None:
        def dropped(found: dict[str, str]) -> bool:
            return all(int(found[f"Cap{kind}"], 16) == 0 for kind in ("Eff", "Prm", "Inh", "Amb"))

        await self._compare("capabilities", "capabilities", dropped)

    @check(Capability.ISOLATION)
    async def test_privileges_cannot_be_gained_or_are_reported(self) -> None:
        await self._compare("privileges", "no_new_privs", lambda found: found["NoNewPrivs"] == "1")

    @check(Capability.ISOLATION)
    async def test_system_calls_are_filtered_or_reported(self) -> None:
        await self._compare("system calls", "seccomp", lambda found: found["Seccomp"] == "2")

    @check(Capability.ISOLATION)
    async def test_probe_matches_what_the_code_sees(self) -> None:
        found = status_of(await self.python(STATUS))
        probe = self.shared.guarantees.probe
        assert probe is not None
        assert (probe.user, probe.group) == (int(found["Uid"]), int(found["Gid"]))
        assert probe.capabilities == int(found["CapEff"], 16)
        assert probe.no_new_privileges == (found["NoNewPrivs"] == "1")
        assert probe.seccomp == int(found["Seccomp"])

    @check(Capability.ISOLATION)
    async def test_host_files_are_out_of_reach(self, tmp_path: Path) -> None:
        (tmp_path / "secret").write_text("from the host")
        code = f"import os; print(os.path.exists({str(tmp_path / 'secret')!r}))"
        assert await self.python(code) == "False\n"

    @check(Capability.ISOLATION)
    async def test_host_processes_are_out_of_sight(self) -> None:
        mark = secrets.token_hex(8)
        waits = "import sys; sys.stdin.read()"
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-c", waits, mark, stdin=asyncio.subprocess.PIPE
        )
        try:
            code = """
                import glob
                for path in glob.glob("/proc/[0-9]*/cmdline"):
                    try:
                        print(open(path).read().split("\\0"))
                    except OSError:
                        pass
            """
            seen = await self.python(code)
            assert "ipybox_runtime" in seen
            assert mark not in seen
        finally:
            assert process.stdin is not None
            process.stdin.close()
            await process.wait()

    @check(Capability.USER)
    async def test_requested_user_runs_the_code(self) -> None:
        async with self.started(user="4242:4343") as container:
            code = "import os; print(os.getuid(), os.getgid())"
            assert await self.python(code, on=container) == "4242 4343\n"
            assert container.guarantees.details["user"] == "enforced"

    @check(Capability.READ_ONLY_ROOT)
    async def test_read_only_root_is_writable_in_three_folders_only(self) -> None:
        code = """
            import os, pathlib
            for folder in ("/", "/etc", "/usr", "/opt", "/app", "/tmp", os.path.expanduser("~")):
                try:
                    pathlib.Path(folder, "suite").touch()
                    print("w", end="")
                except OSError as error:
                    print("r" if error.errno == 30 else error.errno, end="")
        """
        async with self.started(read_only_root=True) as container:
            assert await self.python(code, on=container) == "rrrrwww"
            assert container.guarantees.details["root file system"] == "enforced"

    @check(Capability.ENGINE_INIT)
    async def test_engine_init_is_process_1(self) -> None:
        code = "print(b'ipybox_runtime' in open('/proc/1/cmdline', 'rb').read().split(b'\\0')[:4])"
        async with self.started(engine_init=True) as container:
            assert await self.python(code, on=container) == "False\n"
        assert await self.python(code) == "True\n"

    async def _compare(
        self, concern: Concern, word: str, holds: Callable[[dict[str, str]], bool]
    ) -> None:
        """Check that the guarantees say the same as the probe in the container.

        Args:
            concern: Key in ``Guarantees.details``.
            word: Part of the entry in ``Guarantees.unmet`` if the concern is not enforced.
            holds: Whether it is enforced, according to the values that STATUS prints.
        """
        held = holds(status_of(await self.python(STATUS)))
        found = self.shared.guarantees
        assert (found.details[concern] == "enforced") == held
        assert any(word in text for text in found.unmet) != held
