"""What authors of container backends need besides the contract.

Labels and owners, the start of the runtime, the judgement of what it measured; and for an
engine with an API, all that is made of its calls: :class:`EngineBackend` over an
:class:`Engine`. What all backends share, so that none has it of its own.
"""

from ipybox.build_context import pack
from ipybox.engines.backend import EngineBackend
from ipybox.engines.engine import (
    Engine,
    Inspection,
    Lane,
    Mount,
    Ref,
    Streams,
    Surroundings,
)
from ipybox.engines.inspecting import exit_status, read_inspection, seconds_of
from ipybox.engines.refusals import not_built, not_pulled, refusal
from ipybox.engines.removing import until_gone
from ipybox.engines.sending import send_now
from ipybox.engines.surroundings import at_host
from ipybox.engines.usage import usage_inside
from ipybox.engines.users import run_user
from ipybox.host_ports import LOOPBACK, check_port_free, port_taken
from ipybox.image import RUNTIME_LABEL, split_name
from ipybox.judgement import judge
from ipybox.labels import (
    CONTAINER_LABEL,
    LEASE_LABEL,
    NO_LEASE,
    OWNER_LABEL,
    TAG_LABEL,
    Owner,
    is_abandoned,
    labels_for,
)
from ipybox.launch import (
    EXIT_LEASE,
    LEASE_FILE,
    RUN_FOLDER,
    TOKEN_FILE,
    LaunchOutput,
    config_line,
    log_lines,
    probe_of,
    start_failed,
)
from ipybox.lifetimes import shielded
from ipybox.resources import GATEWAY_PORT
from ipybox.spec import DEFAULT_TAG, WORKDIR

__all__ = [
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
    "Engine",
    "EngineBackend",
    "Inspection",
    "Lane",
    "LaunchOutput",
    "Mount",
    "Owner",
    "Ref",
    "Streams",
    "Surroundings",
    "at_host",
    "check_port_free",
    "config_line",
    "exit_status",
    "is_abandoned",
    "judge",
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
