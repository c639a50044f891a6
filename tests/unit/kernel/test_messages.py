"""Frames that are encoded can be decoded; malformed frames raise only ProtocolError."""

import json
import random
import struct

import pytest
from jupyter_server.services.kernels.connection.base import (
    deserialize_msg_from_ws_v1,
    serialize_msg_to_ws_v1,
)

from ipybox.errors import ProtocolError
from ipybox.gateway.versions import V1_SUBPROTOCOL
from ipybox.kernel.messages import DisplayContent, StreamContent, content_of, decode, encode

REQUEST = {"msg_id": "1", "session": "s"}


def v1_frame(content: object, msg_type: str = "stream", parent: str = "p") -> bytes:
    """Return a frame as Jupyter Server encodes it."""
    parts = [{"msg_id": "m", "msg_type": msg_type}, {"msg_id": parent}, {}, content]
    frame: bytes = serialize_msg_to_ws_v1([json.dumps(part).encode() for part in parts], "iopub")
    return frame


def test_jupyter_server_decodes_our_frames() -> None:
    frame = encode("shell", "execute_request", {"code": "ü"}, subprotocol=V1_SUBPROTOCOL, **REQUEST)
    assert isinstance(frame, bytes)
    channel, (header, parent, metadata, content) = deserialize_msg_from_ws_v1(frame)
    assert channel == "shell"
    assert json.loads(header)["msg_type"] == "execute_request"
    assert json.loads(header)["version"].startswith("5.")
    assert (json.loads(parent), json.loads(metadata)) == ({}, {})
    assert json.loads(content) == {"code": "ü"}


def test_frames_of_jupyter_server_are_decoded() -> None:
    message = decode(v1_frame({"name": "stdout", "text": "hi"}), V1_SUBPROTOCOL)
    assert (message.channel, message.header.msg_type) == ("iopub", "stream")
    assert message.parent_header.msg_id == "p"
    assert content_of(message, StreamContent) == StreamContent("stdout", "hi")


def test_json_frames_are_encoded_and_decoded() -> None:
    frame = encode("shell", "execute_request", {"code": "1"}, subprotocol=None, **REQUEST)
    message = decode(frame, None)
    assert (message.channel, message.header.msg_id) == ("shell", "1")


def test_the_buffers_of_a_json_frame_are_ignored() -> None:
    text = encode("shell", "display_data", {"data": {}}, subprotocol=None, **REQUEST)
    assert isinstance(text, str)
    body = text.encode()
    start = 4 * 3
    frame = struct.pack("!iII", 2, start, start + len(body)) + body + b"buffer"
    assert decode(frame, None).header.msg_type == "display_data"


@pytest.mark.parametrize(
    ("frame", "subprotocol"),
    [
        (b"", V1_SUBPROTOCOL),
        (b"\0" * 7, V1_SUBPROTOCOL),
        (struct.pack("<Q", 2**63), V1_SUBPROTOCOL),
        (struct.pack("<Q", 6) + b"\xff" * 48, V1_SUBPROTOCOL),
        (struct.pack("<7Q", 6, 56, 56, 56, 56, 56, 10**12), V1_SUBPROTOCOL),
        (struct.pack("<7Q", 6, 0, 0, 0, 0, 0, 0), V1_SUBPROTOCOL),
        ("text", V1_SUBPROTOCOL),
        ("", None),
        ("{}", None),
        ("[]", None),
        ("null", None),
        ('{"header": {"msg_id": 1, "msg_type": "x"}, "content": {}}', None),
        ("[" * 100_000, None),
        (b"", None),
        (b"\xff\xff\xff\xff", None),
        (struct.pack("!i", 1_000_000_000), None),
        ("<!DOCTYPE html>", None),
    ],
)
def test_malformed_frames_raise_protocol_errors(
    frame: str | bytes, subprotocol: str | None
) -> None:
    with pytest.raises(ProtocolError):
        decode(frame, subprotocol)


@pytest.mark.parametrize(
    "content",
    [{"name": "stdout"}, {"name": "other", "text": ""}, {"name": 1, "text": 2}, [], None, "x"],
)
def test_malformed_contents_raise_protocol_errors(content: object) -> None:
    message = decode(v1_frame(content), V1_SUBPROTOCOL)
    with pytest.raises(ProtocolError, match="stream"):
        content_of(message, StreamContent)


def test_10000_mutated_frames_raise_only_protocol_errors() -> None:
    seed = 20261122
    chance = random.Random(seed)
    whole = v1_frame({"data": {"text/plain": "x" * 50}, "metadata": {}}, "display_data")
    for _ in range(10_000):
        frame = bytearray(whole)
        for _ in range(chance.randint(1, 4)):
            position = chance.randrange(len(frame))
            match chance.randrange(3):
                case 0:
                    frame[position] = chance.randrange(256)
                case 1:
                    del frame[position : position + chance.randint(1, 20)]
                case _:
                    frame[position:position] = chance.randbytes(chance.randint(1, 9))
        try:
            content_of(decode(bytes(frame), V1_SUBPROTOCOL), DisplayContent)
        except ProtocolError:
            continue
