"""What two versions say to each other: pure."""

import pytest

from ipybox.errors import VersionMismatchError
from ipybox.gateway import versions


def test_a_runtime_of_another_protocol() -> None:
    with pytest.raises(VersionMismatchError, match=r"runs '7\.0' \(protocol '8'\)"):
        versions.check_version("localhost:1", 200, "7.0; 8")
    versions.check_version("localhost:1", 200, None)  # a stock gateway
