"""Builds and parses the frames of a kernel's WebSocket. Pure: no I/O.

There are two framings (Jupyter Server, "kernel websocket protocols"). With the subprotocol ``v1``,
a frame is binary and starts with the offsets of its parts. Without a subprotocol, a frame is a
JSON object, or binary if the message has buffers. The contents of messages are those of Jupyter
messaging 5.4.
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
"""More than any message has. A frame that claims to have more parts is refused."""


class Header(msgspec.Struct):
    """The header of a message: its id, its type, and the session of its sender."""

    msg_id: str
    msg_type: str
    session: str = ""


class ParentHeader(msgspec.Struct):
    """The header of the request that a message answers; empty if it answers none."""

    msg_id: str = ""


class Message(msgspec.Struct):
    """One message from a kernel.

    Attributes:
        channel: The kernel's channel that the message came from.
        header: The header of the message.
        parent_header: The header of the request that the message answers.
        content: The content as JSON; :func:`content_of` decodes it.
    """

    channel: str
    header: Header
    parent_header: ParentHeader
    content: msgspec.Raw


class StatusContent(msgspec.Struct):
    """The content of ``status``.

    ``exit_code`` and ``out_of_memory`` are sent only by ipybox_runtime, with the state "dead".
    """

    execution_state: str
    exit_code: int | None = None
    out_of_memory: bool = False


class StreamContent(msgspec.Struct):
    """The content of ``stream``."""

    name: Literal["stdout", "stderr"]
    text: str


class Transient(msgspec.Struct):
    """The data of a display that is not to be stored."""

    display_id: str | None = None


class DisplayContent(msgspec.Struct):
    """The content of ``display_data``, ``update_display_data`` and ``execute_result``."""

    data: dict[str, Any]
    metadata: dict[str, Any] = {}
    transient: Transient | None = None


class OversizedContent(msgspec.Struct):
    """The content of ``oversized``, which ipybox_runtime sends in place of a message that was
    larger than ``max_message``: the size of that message in bytes."""

    bytes: int


class InputRequestContent(msgspec.Struct):
    """The content of ``input_request``."""

    prompt: str = ""
    password: bool = False


class ClearOutputContent(msgspec.Struct):
    """The content of ``clear_output``."""

    wait: bool = False


class ErrorContent(msgspec.Struct):
    """The content of ``error``."""

    ename: str
    evalue: str
    traceback: list[str] = []


class Payload(msgspec.Struct):
    """One payload of an ``execute_reply``. Those of source "page" hold text for the pager."""

    source: str = ""
    data: dict[str, Any] = {}


class ExecuteReplyContent(msgspec.Struct):
    """The content of ``execute_reply``."""

    status: str
    ename: str = ""
    evalue: str = ""
    traceback: list[str] = []
    payload: list[Payload] = []


class CompleteReplyContent(msgspec.Struct):
    """The content of ``complete_reply``. Positions are in characters."""

    status: str
    matches: list[str] = []
    cursor_start: int = 0
    cursor_end: int = 0


class _JsonFrame(msgspec.Struct):
    """A frame without a subprotocol."""

    header: Header
    content: msgspec.Raw
    parent_header: ParentHeader = msgspec.field(default_factory=ParentHeader)
    channel: str = "iopub"


_header = msgspec.json.Decoder(Header)
_parent = msgspec.json.Decoder(ParentHeader)
_json_frame = msgspec.json.Decoder(_JsonFrame)


Content = TypeVar("Content", bound=msgspec.Struct)


def content_of(message: Message, kind: type[Content]) -> Content:
    """Decode the content of a message.

    Args:
        message: The message; untrusted.
        kind: The type of the content.

    Raises:
        ProtocolError: If the content is malformed. Nothing else is raised.
    """
    decoder = _content_decoder(kind)
    try:
        try:
            content: Content = decoder.decode(message.content)
        except UnicodeDecodeError:
            # File names that are not valid UTF-8 are sent as they are.
            text = bytes(message.content).decode(errors="replace")
            content = decoder.decode(text)
        return content
    except (msgspec.DecodeError, UnicodeError, RecursionError) as error:
        raise ProtocolError(
            f"The kernel sent a message of type {message.header.msg_type!r} with malformed "
            f"content: {error}"
        ) from error


@functools.cache
def _content_decoder(kind: type[Content]) -> msgspec.json.Decoder[Content]:
    return msgspec.json.Decoder(kind)


def new_message_id() -> str:
    """Return a new random id, for a message or a session."""
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
    """Encode one request as a frame.

    Args:
        channel: The kernel's channel that the request is for.
        msg_type: The type of the message.
        content: The content of the message.
        msg_id: The id of the message.
        session: The id of the session.
        subprotocol: The framing: V1_SUBPROTOCOL, or None for JSON.

    Raises:
        InvalidArgumentError: If the content contains a str that is not valid Unicode.
    """
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
            "The code must be valid Unicode, got a lone surrogate at position "
            f"{error.start}. Decode the text with errors='replace', for example."
        ) from error


def decode(frame: str | bytes, subprotocol: str | None) -> Message:
    """Decode one frame.

    Args:
        frame: The frame; untrusted.
        subprotocol: The framing: V1_SUBPROTOCOL, or None for JSON.

    Raises:
        ProtocolError: If the frame is malformed. Nothing else is raised.
    """
    try:
        if subprotocol == V1_SUBPROTOCOL:
            if isinstance(frame, str):
                raise ProtocolError("The gateway sent a text frame, expected a binary one (v1).")
            return _decode_v1(frame)
        text = frame if isinstance(frame, str) else _json_of_binary(frame)
        parsed = _json_frame.decode(text)
    except (msgspec.DecodeError, UnicodeError, struct.error, RecursionError) as error:
        raise ProtocolError(
            f"The gateway sent a frame of {len(frame)} bytes that is not a kernel message: {error}"
        ) from error
    return Message(parsed.channel, parsed.header, parsed.parent_header, parsed.content)


def _join_v1(channel: str, parts: list[bytes]) -> bytes:
    blocks = [channel.encode(), *parts]
    # The number of offsets, then the start of each block, then the end of the last one.
    offset = 8 * (1 + len(blocks) + 1)
    offsets = [offset]
    for block in blocks:
        offset += len(block)
        offsets.append(offset)
    return struct.pack(f"<Q{len(offsets)}Q", len(offsets), *offsets) + b"".join(blocks)


def _decode_v1(frame: bytes) -> Message:
    (count,) = struct.unpack_from("<Q", frame)
    # The starts of the channel and of four parts, and the end of the last part.
    if not 6 <= count <= MAX_PARTS or len(frame) < 8 * (count + 1):
        raise ProtocolError(
            f"The gateway sent a frame of {len(frame)} bytes that claims to have {count} offsets."
        )
    offsets = struct.unpack_from(f"<{count}Q", frame, 8)
    if offsets[0] < 8 * (count + 1) or list(offsets) != sorted(offsets) or offsets[-1] > len(frame):
        raise ProtocolError(
            f"The gateway sent a frame of {len(frame)} bytes whose parts are out of bounds."
        )
    channel, header, parent, _metadata, content = (
        frame[start:end] for start, end in itertools.pairwise(offsets[:6])
    )
    return Message(
        channel.decode(), _header.decode(header), _parent.decode(parent), msgspec.Raw(content)
    )


def _json_of_binary(frame: bytes) -> bytes:
    """Return the JSON part of a binary frame without a subprotocol. Its buffers are ignored."""
    (count,) = struct.unpack_from("!i", frame)
    if not 1 <= count <= MAX_PARTS:
        raise ProtocolError(
            f"The gateway sent a frame of {len(frame)} bytes that claims to have {count} parts."
        )
    offsets = [*struct.unpack_from(f"!{count}I", frame, 4), len(frame)]
    return frame[offsets[0] : offsets[1]]
