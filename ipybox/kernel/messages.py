"""Builds and parses the frames of a kernel's WebSocket. Pure: no I/O.

Two framings (Jupyter Server, "kernel websocket protocols"): ``v1`` is binary,
offsets first; without a subprotocol a frame is a JSON object, or binary with
buffers behind it. Message contents are those of Jupyter messaging 5.4.
"""

from __future__ import annotations

import functools
import itertools
import struct
import uuid
from datetime import UTC, datetime
from typing import Any, Literal, TypeVar

import msgspec

from ipybox.errors import InvalidArgumentError, ProtocolError
from ipybox.gateway.versions import V1_SUBPROTOCOL

PROTOCOL_VERSION = "5.4"

Channel = Literal["shell", "control", "stdin", "iopub"]

MAX_PARTS = 1024
"""More buffers than any message has; a frame that claims more is refused."""


class Header(msgspec.Struct):
    msg_id: str
    msg_type: str
    session: str = ""


class ParentHeader(msgspec.Struct):
    """A message that answers nothing has an empty one."""

    msg_id: str = ""


class Message(msgspec.Struct):
    """One message from a kernel. ``content`` is JSON, decoded by :func:`content_of`."""

    channel: str
    header: Header
    parent_header: ParentHeader
    content: msgspec.Raw


class StatusContent(msgspec.Struct):
    execution_state: str
    exit_code: int | None = None  # ours: from ipybox_runtime, with "dead"
    out_of_memory: bool = False


class StreamContent(msgspec.Struct):
    name: Literal["stdout", "stderr"]
    text: str


class Transient(msgspec.Struct):
    display_id: str | None = None


class DisplayContent(msgspec.Struct):
    """Of display_data, update_display_data and execute_result."""

    data: dict[str, Any]
    metadata: dict[str, Any] = {}
    transient: Transient | None = None


class OversizedContent(msgspec.Struct):
    """Ours: in place of a message that was above the cap, of ``bytes`` bytes."""

    bytes: int


class InputRequestContent(msgspec.Struct):
    prompt: str = ""
    password: bool = False


class ClearOutputContent(msgspec.Struct):
    wait: bool = False


class ErrorContent(msgspec.Struct):
    ename: str
    evalue: str
    traceback: list[str] = []


class Payload(msgspec.Struct):
    source: str = ""
    data: dict[str, Any] = {}


class ExecuteReplyContent(msgspec.Struct):
    status: str
    ename: str = ""
    evalue: str = ""
    traceback: list[str] = []
    payload: list[Payload] = []


class CompleteReplyContent(msgspec.Struct):
    status: str
    matches: list[str] = []
    cursor_start: int = 0
    cursor_end: int = 0


class _JsonFrame(msgspec.Struct):
    header: Header
    content: msgspec.Raw
    parent_header: ParentHeader = msgspec.field(default_factory=ParentHeader)
    channel: str = "iopub"


_header = msgspec.json.Decoder(Header)
_parent = msgspec.json.Decoder(ParentHeader)
_json_frame = msgspec.json.Decoder(_JsonFrame)


Content = TypeVar("Content", bound=msgspec.Struct)


def content_of(message: Message, kind: type[Content]) -> Content:
    """The content of a message as ``kind``. Raises ProtocolError, and nothing else."""
    decoder = _content_decoder(kind)
    try:
        try:
            content: Content = decoder.decode(message.content)
        except UnicodeDecodeError:
            # File names that are no text travel as the bytes that they are.
            text = bytes(message.content).decode(errors="replace")
            content = decoder.decode(text)
        return content
    except (msgspec.DecodeError, UnicodeError, RecursionError) as error:
        raise ProtocolError(
            f"a {message.header.msg_type!r} message has no valid content: {error}"
        ) from error


@functools.cache
def _content_decoder(kind: type[Content]) -> msgspec.json.Decoder[Content]:
    return msgspec.json.Decoder(kind)


def new_message_id() -> str:
    return uuid.uuid4().hex


def encode(
    channel: Channel,
    msg_type: str,
    content: dict[str, Any],
    *,
    msg_id: str,
    session: str,
    subprotocol: str | None,
) -> str | bytes:
    """One request as a frame. Raises InvalidArgumentError for text that is not Unicode."""
    header = {
        "msg_id": msg_id,
        "msg_type": msg_type,
        "session": session,
        "username": "ipybox",
        "date": datetime.now(UTC).isoformat(),
        "version": PROTOCOL_VERSION,
    }
    try:
        if subprotocol == V1_SUBPROTOCOL:
            parts = [msgspec.json.encode(part) for part in (header, {}, {}, content)]
            return _join_v1(channel, parts)
        frame: dict[str, Any] = {
            "channel": channel,
            "header": header,
            "parent_header": {},
            "metadata": {},
            "content": content,
            "buffers": [],
        }
        return msgspec.json.encode(frame).decode()
    except UnicodeEncodeError as error:
        raise InvalidArgumentError(
            f"the code holds a character that is no Unicode text (a lone surrogate) at "
            f"position {error.start}; decode it before."
        ) from error


def decode(frame: str | bytes, subprotocol: str | None) -> Message:
    """One frame as a message. Raises ProtocolError, and nothing else."""
    try:
        if subprotocol == V1_SUBPROTOCOL:
            if isinstance(frame, str):
                raise ProtocolError("a text frame arrived where the protocol is binary")
            return _decode_v1(frame)
        text = frame if isinstance(frame, str) else _json_of_binary(frame)
        parsed = _json_frame.decode(text)
    except (msgspec.DecodeError, UnicodeError, struct.error, RecursionError) as error:
        raise ProtocolError(
            f"a frame of {len(frame)} bytes is no kernel message: {error}"
        ) from error
    return Message(parsed.channel, parsed.header, parsed.parent_header, parsed.content)


def _join_v1(channel: str, parts: list[bytes]) -> bytes:
    blocks = [channel.encode(), *parts]
    # The count of offsets, then each block's start, then the end of the last one.
    offset = 8 * (1 + len(blocks) + 1)
    offsets = [offset]
    for block in blocks:
        offset += len(block)
        offsets.append(offset)
    return struct.pack(f"<Q{len(offsets)}Q", len(offsets), *offsets) + b"".join(blocks)


def _decode_v1(frame: bytes) -> Message:
    (count,) = struct.unpack_from("<Q", frame)
    # The channel and four parts, each with its start, and the end of the last.
    if not 6 <= count <= MAX_PARTS or len(frame) < 8 * (count + 1):
        raise ProtocolError(f"a frame of {len(frame)} bytes claims {count} offsets")
    offsets = struct.unpack_from(f"<{count}Q", frame, 8)
    if offsets[0] < 8 * (count + 1) or list(offsets) != sorted(offsets) or offsets[-1] > len(frame):
        raise ProtocolError(f"a frame of {len(frame)} bytes has its parts out of bounds")
    channel, header, parent, _metadata, content = (
        frame[start:end] for start, end in itertools.pairwise(offsets[:6])
    )
    return Message(
        channel.decode(), _header.decode(header), _parent.decode(parent), msgspec.Raw(content)
    )


def _json_of_binary(frame: bytes) -> bytes:
    """The JSON part of a binary frame without subprotocol; its buffers are of no use here."""
    (count,) = struct.unpack_from("!i", frame)
    if not 1 <= count <= MAX_PARTS:
        raise ProtocolError(f"a frame of {len(frame)} bytes claims {count} parts")
    offsets = [*struct.unpack_from(f"!{count}I", frame, 4), len(frame)]
    return frame[offsets[0] : offsets[1]]
