"""Assessment of what a container guarantees, from what the runtime measured in it: pure."""

from __future__ import annotations

from ipybox.spec.container import ContainerSpec
from ipybox.spec.paths import WORKDIR
from ipybox.spec.resources import Resources
from ipybox.spec.status import (
    AnyConcern,
    Concern,
    Enforcement,
    Guarantees,
    Isolation,
    Probe,
    bind_concern,
)

SECCOMP_FILTER = 2
LIMITS: tuple[Concern, ...] = ("memory", "processes", "processors")
TOLERANCE = 1.01
"""Factor by which a limit may be exceeded: the Linux kernel rounds limits to pages."""


def assess_guarantees(
    spec: ContainerSpec, probe: Probe | None, isolation: Isolation, limits_remedy: str = ""
) -> Guarantees:
    """Compare what a spec asks for, defaults included, with what was measured.

    Args:
        spec: The spec of the container.
        probe: What the runtime measured; None if it measured nothing.
        isolation: What separates the code from the host.
        limits_remedy: What the user can do if a limit is not enforced; appended to ``unmet``
            in that case. Default: nothing.

    Returns:
        The assessment. Without a probe it has no details, and says so in ``unmet``.
    """
    if probe is None:
        return Guarantees(isolation=isolation, unmet=("nothing was measured",))
    wanted = (spec.resources or Resources()).with_defaults()
    checks: dict[AnyConcern, tuple[bool, str]] = {
        "user": (probe.user != 0 or spec.user in ("0", "0:0", "root"), "the code runs as root"),
        "capabilities": (
            probe.capabilities == 0,
            f"capabilities are effective: {probe.capabilities:#x}",
        ),
        "privileges": (probe.no_new_privileges, "no_new_privs is not set"),
        "system calls": (
            probe.seccomp == SECCOMP_FILTER,
            f"no seccomp filter (mode {probe.seccomp})",
        ),
        "memory": _check_limit("memory_bytes", probe.memory_bytes, wanted.memory_bytes),
        "processes": _check_limit("pids", probe.pids, wanted.pids),
    }
    if wanted.cpus is not None:
        checks["processors"] = _check_limit("cpus", probe.cpus, wanted.cpus)
    if spec.read_only_root:
        checks["root file system"] = (
            probe.mounts.get("/") is False,
            "the root file system is writable",
        )
    for bind in spec.binds:
        if bind.read_only:
            path = f"{WORKDIR}/{bind.container_path.strip('/')}"
            checks[bind_concern(bind.container_path)] = (
                probe.mounts.get(path) is False,
                f"{path} is writable",
            )
    details: dict[AnyConcern, Enforcement] = {
        name: "enforced" if met else "none" for name, (met, _) in checks.items()
    }
    # Files of the host are out of reach; the network is not.
    details |= {"filesystem": "enforced", "network": "none"}
    unmet = [reason for met, reason in checks.values() if not met]
    if limits_remedy and not all(checks[name][0] for name in LIMITS if name in checks):
        unmet.append(limits_remedy)
    return Guarantees(isolation=isolation, details=details, probe=probe, unmet=tuple(unmet))


def _check_limit(name: str, found: float | None, asked: float | None) -> tuple[bool, str]:
    """Return whether a limit is enforced, and the reason to report if it is not."""
    met = found is not None and asked is not None and found <= asked * TOLERANCE
    return met, f"{name}: found {'no limit' if found is None else found}, asked for {asked}"
