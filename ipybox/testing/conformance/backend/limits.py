"""Resource limits as the code meets them: enforced, or reported as not enforced."""

from __future__ import annotations

import pytest

from ipybox.backend import Capability, Container
from ipybox.errors import GuaranteeError, IpyboxError
from ipybox.spec.resources import DEFAULT_MEMORY_BYTES, DEFAULT_PIDS, Resources
from ipybox.spec.status import Concern
from ipybox.testing.conformance.backend.probes import BURN, MEMORY_LIMIT, THREADS
from ipybox.testing.conformance.base import Conformance
from ipybox.testing.conformance.checks import check

MEBIBYTE = 1024 * 1024
MORE_THAN_THERE_IS = 1 << 62
ROUNDING = 1.01  # kernels round limits to their pages
CONCERNS_OF_LIMITS: dict[str, Concern] = {
    "memory_bytes": "memory",
    "pids": "processes",
    "cpus": "processors",
}


def assert_enforced_or_reported(container: Container, limit: str, enforced: bool) -> None:
    """Check that the guarantees report a limit that the probe in the container did not find.

    Args:
        container: A running container.
        limit: Name of a field of :class:`Resources`.
        enforced: Whether the limit held inside the container.
    """
    concern = CONCERNS_OF_LIMITS.get(limit)
    found = container.guarantees
    reported = any(limit in text for text in found.unmet)
    assert enforced or reported, f"{limit} is not enforced, and guarantees.unmet omits it"
    if concern is not None:
        assert (found.details[concern] == "enforced") == (not reported)


class LimitChecks(Conformance):
    @check(Capability.RESOURCES)
    async def test_memory_is_limited_or_reported(self) -> None:
        async with self.started(resources=Resources(memory_bytes=400 * MEBIBYTE)) as container:
            found = int(await self.python(MEMORY_LIMIT, on=container))
            assert_enforced_or_reported(
                container, "memory_bytes", found <= 400 * MEBIBYTE * ROUNDING
            )

    @check(Capability.RESOURCES)
    async def test_processes_are_limited_or_reported(self) -> None:
        async with self.started(resources=Resources(pids=100)) as container:
            count = int(await self.python(THREADS.format(most=150), on=container))
            assert_enforced_or_reported(container, "pids", count < 100)

    @check(Capability.RESOURCES)
    async def test_processor_time_is_limited_or_reported(self) -> None:
        async with self.started(resources=Resources(cpus=0.25)) as container:
            used = float(await self.python(BURN.format(seconds=2), on=container))
            assert_enforced_or_reported(container, "cpus", used < 2 * 0.25 * 1.5)

    @check(Capability.RESOURCES)
    async def test_shared_memory_is_limited_or_reported(self) -> None:
        code = "import shutil; print(shutil.disk_usage('/dev/shm').total)"
        async with self.started(resources=Resources(shm_bytes=24 * MEBIBYTE)) as container:
            found = int(await self.python(code, on=container))
            assert_enforced_or_reported(container, "shm_bytes", found == 24 * MEBIBYTE)

    @check(Capability.RESOURCES)
    async def test_open_files_are_limited_or_reported(self) -> None:
        code = "import resource; print(*resource.getrlimit(resource.RLIMIT_NOFILE))"
        async with self.started(resources=Resources(open_files=600)) as container:
            soft, hard = map(int, (await self.python(code, on=container)).split())
            assert_enforced_or_reported(container, "open_files", soft <= 600 and hard <= 600)

    @check(Capability.RESOURCES)
    async def test_default_limits_apply_or_are_reported(self) -> None:
        memory = int(await self.python(MEMORY_LIMIT))
        assert_enforced_or_reported(
            self.shared, "memory_bytes", memory <= DEFAULT_MEMORY_BYTES * ROUNDING
        )
        probe = self.shared.guarantees.probe
        assert probe is not None
        assert_enforced_or_reported(
            self.shared, "pids", probe.pids is not None and probe.pids <= DEFAULT_PIDS
        )

    @check(Capability.RESOURCES, Capability.STATS)
    async def test_stats_report_the_memory_limit(self) -> None:
        async with self.started(resources=Resources(memory_bytes=400 * MEBIBYTE)) as container:
            limit = (await container.stats()).memory_limit_bytes
            assert_enforced_or_reported(container, "memory_bytes", limit == 400 * MEBIBYTE)

    @check(Capability.RESOURCES)
    async def test_strict_starts_only_if_all_limits_are_enforced(self) -> None:
        limits = Resources(memory_bytes=400 * MEBIBYTE, pids=200, cpus=1.0)
        async with self.started(resources=limits) as container:
            unmet = container.guarantees.unmet
        async with self.created(resources=limits, strict=True) as container:
            if unmet:
                with pytest.raises(GuaranteeError):
                    await container.start()
            else:
                await container.start()

    @check(Capability.RESOURCES)
    async def test_strict_refuses_a_limit_that_cannot_be_enforced(self) -> None:
        """More memory than a machine can have is no limit: it must be reported as not enforced."""
        limits = Resources(memory_bytes=MORE_THAN_THERE_IS)
        async with self.created(resources=limits) as container:
            try:
                await container.start()
            except IpyboxError:
                return  # refused outright, which is honest
            assert_enforced_or_reported(container, "memory_bytes", enforced=False)
        async with self.created(resources=limits, strict=True) as container:
            with pytest.raises(GuaranteeError, match="memory_bytes"):
                await container.start()
        assert container.endpoint is None
        assert await self.leftovers() == []
