"""How the gateway answers malformed frames, and a host of another version."""

import pytest

from ipybox import ExecutionClient, ExecutionContainer
from ipybox.errors import VersionMismatchError
from ipybox.gateway import rest, versions

MALFORMED: tuple[bytes | str, ...] = (
    b"",
    b"\x00" * 7,
    b"\xff" * 100,
    b"\x06" + b"\0" * 7 + b"\xff" * 60,
    "{",
    "[]",
)


async def test_malformed_frames_do_not_stop_the_kernel(client: ExecutionClient) -> None:
    """The gateway logs malformed frames, and the kernel answers the next request."""
    stream = client._connected().channel._stream
    for frame in MALFORMED:
        await stream._connection.send(frame)
    stream._counts.sent += 4  # the gateway counts the binary frames
    assert (await client.execute("1")).text == "1"


@pytest.mark.parametrize("own", ["9.9.9; 2", "1.0;"])
async def test_versions_must_match(
    container: ExecutionContainer, monkeypatch: pytest.MonkeyPatch, own: str
) -> None:
    """The runtime refuses a host of another protocol, and the host's error names both."""
    monkeypatch.setattr(rest, "OWN_VERSIONS", own)
    with pytest.raises(VersionMismatchError, match=rf"{versions.VERSION}.*'0\.\d\.0'"):
        await ExecutionClient(container.port).connect()
