"""What authors of container backends need besides the contract.

Labels and owners, the start of the runtime, the judgement of what it measured: what all
backends share, so that none has it of its own.
"""

from ipybox.build_context import pack
from ipybox.image import RUNTIME_LABEL
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
    GATEWAY_PORT,
    LEASE_FILE,
    RUN_FOLDER,
    TOKEN_FILE,
    LaunchOutput,
    config_line,
    probe_of,
    start_failed,
)
from ipybox.lifetimes import shielded
from ipybox.spec import DEFAULT_TAG, WORKDIR

__all__ = [
    "CONTAINER_LABEL",
    "DEFAULT_TAG",
    "EXIT_LEASE",
    "GATEWAY_PORT",
    "LEASE_FILE",
    "LEASE_LABEL",
    "NO_LEASE",
    "OWNER_LABEL",
    "RUNTIME_LABEL",
    "RUN_FOLDER",
    "TAG_LABEL",
    "TOKEN_FILE",
    "WORKDIR",
    "LaunchOutput",
    "Owner",
    "config_line",
    "is_abandoned",
    "judge",
    "labels_for",
    "pack",
    "probe_of",
    "shielded",
    "start_failed",
]
