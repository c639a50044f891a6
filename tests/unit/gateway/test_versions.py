"""The check of the versions of host and runtime."""

import pytest

from ipybox.errors import VersionMismatchError
from ipybox.gateway import versions


def test_a_runtime_of_another_protocol_is_refused() -> None:
    with pytest.raises(VersionMismatchError, match=r"runs '7\.0' \(protocol '8'\)"):
        versions.check_version("localhost:1", 200, "7.0; 8")


def test_a_gateway_that_sends_no_version_is_accepted() -> None:
    versions.check_version("localhost:1", 200, None)
