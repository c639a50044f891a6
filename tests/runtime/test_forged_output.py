"""A kernel that forges what its output channel sends to the gateway."""

import pytest

from ipybox import ExecutionClient, ExecutionContainer, IpyboxError
from ipybox.testing import FaultTrials

FORGERIES = {
    "a size beyond the packet": "output._messages.send(PACKET_HEAD.pack(3, 0, 0, 10**9) + b'junk')",
    "a barrier far ahead": "output._messages.send(PACKET_HEAD.pack(3, 0, 10**6, 4) + b'junk')",
    "a malformed message": "output._messages.send(PACKET_HEAD.pack(3, 0, 0, 4) + b'junk')",
    "a packet without a header": "output._messages.send(b'x')",
    "forged barriers": "[os.write(1, output._marks.barrier(10**6 + n)) for n in range(99)]",
    "an invalid parent": "os.write(1, output._marks.parent(b'junk') + b'text')",
}


async def works(client: ExecutionClient) -> None:
    assert (await client.execute("print(6 * 7)")).text == "42"


@pytest.mark.parametrize("name", FORGERIES)
async def test_forged_output_harms_only_its_own_client(
    container: ExecutionContainer, faults: FaultTrials, name: str
) -> None:
    """The client gets an IpyboxError and can restart; other clients notice nothing."""
    code = (
        "import os\nfrom ipybox_runtime.wire import PACKET_HEAD\n"
        "output = get_ipython().kernel.iopub_socket\n"
        f"{FORGERIES[name]}\nos.kill(os.getpid(), 9)"
    )
    async with ExecutionClient(container.port) as other:
        for _ in range(3):
            async with ExecutionClient(container.port) as client:
                await faults.expect(IpyboxError, client.execute(code, timeout=10))
                await faults.run(client.restart())
                await works(client)
            await works(other)


async def test_malformed_messages_are_dropped(client: ExecutionClient) -> None:
    """The gateway drops malformed messages, and the client keeps working."""
    code = """
        import os
        from ipybox_runtime.wire import NO_PARENT, PACKET_HEAD, frame_v1
        output = get_ipython().kernel.iopub_socket
        for junk in (b"junk", frame_v1(b"iopub", [b"", b"", b"", b""])):
            output._messages.send(PACKET_HEAD.pack(3, 0, 0, len(junk)) + junk)
        os.write(1, output._marks.parent(b"") + b"text" + output._marks.parent(NO_PARENT))
    """
    for _ in range(3):
        await client.execute(code)
        await works(client)
