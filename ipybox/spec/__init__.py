"""What is asked for, and what is reported: plain data."""

import typing as _typing

from ipybox import _moved

if not _typing.TYPE_CHECKING:  # type checkers report the old names as missing
    __getattr__ = _moved.moved_names(
        __name__,
        {
            "Bind": "ipybox.spec.container.Bind",
            "ContainerSpec": "ipybox.spec.container.ContainerSpec",
            "DEFAULT_LEASE_SECONDS": "ipybox.spec.container.DEFAULT_LEASE_SECONDS",
            "DEFAULT_TAG": "ipybox.spec.container.DEFAULT_TAG",
            "Endpoint": "ipybox.spec.container.Endpoint",
            "MIN_LEASE_SECONDS": "ipybox.spec.container.MIN_LEASE_SECONDS",
            "WORKDIR": "ipybox.spec.paths.WORKDIR",
            "check_env": "ipybox.validation.check_env",
            "check_kernel_id": "ipybox.validation.check_kernel_id",
            "check_timeout": "ipybox.validation.check_timeout",
            "check_token": "ipybox.validation.check_token",
            "parse_binds": "ipybox.spec.container.parse_binds",
        },
    )
