"""What authors of plugins need: contracts, data, hooks, and what all backends share.

Backends that talk to a container engine's API build on :mod:`ipybox.engine` as well.
"""

import typing as _typing

from ipybox import _moved
from ipybox._async import shielded
from ipybox.backend import Backend, BackendDescriptor, ByteStream, Capability, Container
from ipybox.engine.backend import EngineBackend
from ipybox.engine.base import Engine, Inspection, Lane, Mount, Ref, Streams, Surroundings
from ipybox.engine.errors import not_built, not_pulled, refusal
from ipybox.engine.inspection import exit_status, read_inspection, seconds_of
from ipybox.engine.placement import at_host, run_user
from ipybox.engine.removal import until_gone
from ipybox.engine.stats import usage_inside
from ipybox.engine.transport import send_now
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
from ipybox.spec.paths import GATEWAY_PORT, LEASE_FILE, RUN_FOLDER, TOKEN_FILE, WORKDIR
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
    "LEASE_FILE",
    "LEASE_LABEL",
    "LOOPBACK",
    "NO_LEASE",
    "OWNER_LABEL",
    "RUNTIME_LABEL",
    "RUN_FOLDER",
    "TAG_LABEL",
    "TOKEN_FILE",
    "WORKDIR",
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
    "Engine",
    "EngineBackend",
    "Event",
    "ExecResult",
    "ExitStatus",
    "Finding",
    "ImageInfo",
    "ImageRecipe",
    "Inspection",
    "Lane",
    "LaunchOutput",
    "Mount",
    "OutputHandler",
    "Owner",
    "Probe",
    "Ref",
    "Stats",
    "Streams",
    "Surroundings",
    "Truncation",
    "assess_guarantees",
    "at_host",
    "bind_concern",
    "check_port_free",
    "config_line",
    "exit_status",
    "hookimpl",
    "is_abandoned",
    "labels_for",
    "log_lines",
    "not_built",
    "not_pulled",
    "pack",
    "port_taken",
    "probe_of",
    "read_inspection",
    "refusal",
    "run_user",
    "seconds_of",
    "send_now",
    "shielded",
    "split_name",
    "start_failed",
    "until_gone",
    "usage_inside",
]

if not _typing.TYPE_CHECKING:  # type checkers report the old names as missing
    __getattr__ = _moved.moved_names(__name__, {"judge": "ipybox.authoring.assess_guarantees"})
