"""What authors of plugins need: contracts, data, hooks, and what all backends share.

Backends that talk to a container engine's API build on :mod:`ipybox.engine` as well.
"""

import typing as _typing

from ipybox import _moved
from ipybox._async import AsyncResource, poll, shielded
from ipybox.backend import Backend, BackendDescriptor, ByteStream, Capability, Container
from ipybox.events import Event
from ipybox.image.build_context import pack
from ipybox.outputs.handler import OutputHandler
from ipybox.plugins.hookspecs import hookimpl
from ipybox.runtime.guarantees import assess_guarantees
from ipybox.runtime.labels import (
    CONTAINER_LABEL,
    LEASE_LABEL,
    NO_LEASE,
    OWNER_LABEL,
    TAG_LABEL,
    Owner,
    is_abandoned,
    labels_for,
)
from ipybox.runtime.launch import (
    EXIT_LEASE,
    LaunchOutput,
    config_line,
    log_lines,
    probe_of,
    start_failed,
)
from ipybox.runtime.ports import LOOPBACK, check_port_free, port_taken
from ipybox.spec.container import DEFAULT_TAG, ContainerSpec, Endpoint
from ipybox.spec.image import (
    RUNTIME_LABEL,
    BuildContext,
    BuildEvent,
    ImageInfo,
    ImageRecipe,
    split_name,
)
from ipybox.spec.paths import (
    GATEWAY_PORT,
    HOME,
    LEASE_FILE,
    RUN_FOLDER,
    RUN_FOLDER_BYTES,
    TOKEN_FILE,
    WORKDIR,
)
from ipybox.spec.ports import PublishedPorts
from ipybox.spec.status import (
    CONCERNS,
    Availability,
    ContainerInfo,
    ExecResult,
    ExitStatus,
    Finding,
    Probe,
    Stats,
    Truncation,
    bind_concern,
)

__all__ = [
    "CONCERNS",
    "CONTAINER_LABEL",
    "DEFAULT_TAG",
    "EXIT_LEASE",
    "GATEWAY_PORT",
    "HOME",
    "LEASE_FILE",
    "LEASE_LABEL",
    "LOOPBACK",
    "NO_LEASE",
    "OWNER_LABEL",
    "RUNTIME_LABEL",
    "RUN_FOLDER",
    "RUN_FOLDER_BYTES",
    "TAG_LABEL",
    "TOKEN_FILE",
    "WORKDIR",
    "AsyncResource",
    "Availability",
    "Backend",
    "BackendDescriptor",
    "BuildContext",
    "BuildEvent",
    "ByteStream",
    "Capability",
    "Container",
    "ContainerInfo",
    "ContainerSpec",
    "Endpoint",
    "Event",
    "ExecResult",
    "ExitStatus",
    "Finding",
    "ImageInfo",
    "ImageRecipe",
    "LaunchOutput",
    "OutputHandler",
    "Owner",
    "Probe",
    "PublishedPorts",
    "Stats",
    "Truncation",
    "assess_guarantees",
    "bind_concern",
    "check_port_free",
    "config_line",
    "hookimpl",
    "is_abandoned",
    "labels_for",
    "log_lines",
    "pack",
    "poll",
    "port_taken",
    "probe_of",
    "shielded",
    "split_name",
    "start_failed",
]

if not _typing.TYPE_CHECKING:  # type checkers report the old names as missing
    __getattr__ = _moved.moved_names(
        __name__,
        {
            **{
                name: f"ipybox.engine.{name}"
                for name in (
                    "Engine",
                    "EngineBackend",
                    "Inspection",
                    "Mount",
                    "Ref",
                    "Streams",
                    "at_host",
                    "exit_status",
                )
            },
            "judge": "ipybox.authoring.assess_guarantees",
            "Lane": "ipybox.engine.StreamName",
            "Surroundings": "ipybox.engine.Placement",
            "not_built": "ipybox.engine.build_failed",
            "not_pulled": "ipybox.engine.pull_failed",
            "read_inspection": "ipybox.engine.parse_inspection",
            "refusal": "ipybox.engine.map_engine_error",
            "run_user": "ipybox.engine.container_user",
            "seconds_of": "ipybox.engine.parse_timestamp",
            "send_now": "ipybox.engine.write_without_losing_reads",
            "until_gone": "ipybox.engine.remove_until_gone",
            "usage_inside": "ipybox.engine.stats_from_proc",
        },
    )
