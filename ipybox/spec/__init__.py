"""What is asked for, and what is reported: plain data."""

import typing as _typing

from ipybox import _moved
from ipybox.spec.status import Completions, GatewayStatus, KernelStatus

__all__ = ["Completions", "GatewayStatus", "KernelStatus"]

if not _typing.TYPE_CHECKING:  # type checkers report the old names as missing
    __getattr__ = _moved.moved_names(
        __name__,
        {
            "Bind": "ipybox.Bind",
            "ContainerSpec": "ipybox.authoring.ContainerSpec",
            "DEFAULT_LEASE_SECONDS": "ipybox.spec.container.DEFAULT_LEASE_SECONDS",
            "DEFAULT_TAG": "ipybox.authoring.DEFAULT_TAG",
            "Endpoint": "ipybox.authoring.Endpoint",
            "MIN_LEASE_SECONDS": "ipybox.spec.container.MIN_LEASE_SECONDS",
            "WORKDIR": "ipybox.authoring.WORKDIR",
            "check_env": "ipybox.validation.check_env",
            "check_kernel_id": "ipybox.validation.check_kernel_id",
            "check_timeout": "ipybox.validation.check_timeout",
            "check_token": "ipybox.validation.check_token",
            "parse_binds": "ipybox.spec.container.parse_binds",
        },
    )
