"""The format of a kernel's output, and the order of what two pipes and a socket carry."""

import random

import pytest
from ipybox_runtime.wire import (
    PACKET_BYTES,
    Barrier,
    Marks,
    Merge,
    Packet,
    PacketReader,
    PipeReader,
    Text,
    frame_v1,
    is_message,
    packets,
    parent_bytes,
    parts_v1,
)

MARKS = Marks("secret")
A, B = b'{"msg_id":"a"}', b'{"msg_id":"b"}'


def tokens(reader: PipeReader, *chunks: bytes) -> list[Text | Barrier]:
    found: list[Text | Barrier] = []
    for number, chunk in enumerate(chunks):
        found += reader.feed(chunk, drained=number == len(chunks) - 1)
    return found


def joined(found: list[Text | Barrier]) -> list[object]:
    """Join neighbouring texts of one request; represent a barrier by its number."""
    whole: list[object] = []
    for token in found:
        if isinstance(token, Barrier):
            whole.append(token.number)
        elif whole and isinstance(whole[-1], tuple) and whole[-1][0] == token.parent:
            whole[-1] = (token.parent, whole[-1][1] + token.data)
        else:
            whole.append((token.parent, token.data))
    return whole


STREAM = (
    MARKS.parent(A) + b"one" + MARKS.barrier(1) + b"two\x1b[0m" + MARKS.scoped(B, b"late")
    + b"three\x1b]ipybox;other;B7\x07" + MARKS.barrier(22) + MARKS.parent(B) + b"four\x1b"
)  # fmt: skip
PARSED = [(A, b"one"), 1, (A, b"two\x1b[0m"), (B, b"late"),
          (A, b"three\x1b]ipybox;other;B7\x07"), 22, (B, b"four\x1b")]  # fmt: skip


def test_marks_are_found_wherever_a_read_ends() -> None:
    assert joined(tokens(PipeReader(0, "secret"), STREAM)) == PARSED
    for cut in range(1, len(STREAM)):
        parts = (STREAM[:cut], STREAM[cut:])
        assert joined(tokens(PipeReader(0, "secret"), *parts)) == PARSED, cut


def test_an_endless_mark_is_not_held_back() -> None:
    reader = PipeReader(0, "secret")
    start = MARKS.start + b"x" * 5000  # longer than any mark, and not terminated
    found = tokens(reader, start, b"y")
    assert b"".join(token.data for token in found if isinstance(token, Text)) == start + b"y"


@pytest.mark.parametrize("size", [0, 1, PACKET_BYTES - 1, PACKET_BYTES, PACKET_BYTES * 3 + 1])
def test_a_message_survives_being_split_into_packets(size: int) -> None:
    data = bytes(range(256)) * (size // 256 + 1)
    reader = PacketReader(10**9)
    (message,) = [m for part in packets(5, data[:size]) if (m := reader.feed(part))]
    assert message == Packet(5, data[:size], size)


def test_an_incomplete_message_is_dropped() -> None:
    first, second = packets(1, b"x" * (PACKET_BYTES + 1)), packets(2, b"whole")
    reader = PacketReader(10**9)
    assert reader.feed(next(first)) is None
    assert reader.feed(next(second)) == Packet(2, b"whole", 5)
    assert reader.feed(b"short") is None
    third = list(packets(3, b"y" * (PACKET_BYTES + 1)))
    assert reader.feed(third[1]) is None


def test_a_message_above_the_limit_keeps_only_its_beginning() -> None:
    reader = PacketReader(PACKET_BYTES * 2)
    size = PACKET_BYTES * 10
    (message,) = [m for part in packets(1, b"z" * size) if (m := reader.feed(part))]
    assert message.size == size
    assert len(message.data) == PACKET_BYTES


@pytest.mark.parametrize("seed", range(200))
def test_merge_restores_the_order_in_which_a_program_wrote(seed: int) -> None:
    """Pipes and socket are read in pieces of any size, in any turns."""
    chance = random.Random(seed)
    pipes = (bytearray(), bytearray())
    sent: list[Packet] = []
    true_order: list[object] = []
    number = 0
    last_stream: int | None = None
    for step in range(60):
        kind = chance.choice(["stdout", "stderr", "message"])
        if kind == "message" or last_stream not in (None, ("stdout", "stderr").index(kind)):
            number += 1
            for pipe in pipes:
                pipe.extend(MARKS.barrier(number))
            data = b"m%d" % step if kind == "message" else b""
            sent.append(Packet(number, data, len(data)))
            if data:
                true_order.append(data)
            last_stream = None
        if kind != "message":
            last_stream = ("stdout", "stderr").index(kind)
            pipes[last_stream].extend(b"<%d>" % step)
            true_order.append(b"<%d>" % step)
    readers = [PipeReader(stream, "secret") for stream in (0, 1)]
    merge = Merge()
    found: list[bytes] = []

    def take(*, flush: bool = False) -> None:
        found.extend(item.data for item in merge.take(flush=flush) if item.data)

    while pipes[0] or pipes[1] or sent:
        turn = chance.randrange(3)
        if turn == 2 and sent:
            merge.add(sent.pop(0))
        elif turn < 2 and pipes[turn]:
            size = chance.randrange(1, 40)
            chunk = bytes(pipes[turn][:size])
            del pipes[turn][:size]
            for token in readers[turn].feed(chunk, drained=not pipes[turn]):
                merge.add(token)
        take()
    take(flush=True)
    assert b"".join(found) == b"".join(true_order)  # type: ignore[arg-type]


def test_merge_does_not_wait_for_an_interrupted_barrier() -> None:
    merge = Merge()
    merge.add(Barrier(0, 1))  # the other mark and the message were never sent
    merge.add(Text(0, A, b"after"))
    merge.add(Barrier(0, 2))
    merge.add(Barrier(1, 2))
    merge.add(Packet(2, b"next", 4))
    assert [item.data for item in merge.take()] == [b"after", b"next"]


def test_merge_yields_everything_when_flushed() -> None:
    merge = Merge()
    merge.add(Packet(3, b"message", 7))
    merge.add(Barrier(1, 4))
    merge.add(Text(1, A, b"text"))
    assert [item.data for item in merge.take()] == []
    assert [item.data for item in merge.take(flush=True)] == [b"message", b"text"]


def test_merge_continues_after_a_flush() -> None:
    """A barrier that the flush passed does not hold up its message, which comes later."""
    merge = Merge()
    merge.add(Text(0, A, b"text"))
    merge.add(Barrier(0, 1))
    assert [item.data for item in merge.take(flush=True)] == [b"text"]
    merge.add(Barrier(1, 1))
    merge.add(Packet(1, b"message", 7))
    assert [item.data for item in merge.take()] == [b"message"]
    assert merge.size == 0


def test_a_frame_is_parsed_into_its_parts_or_refused() -> None:
    parts = [b"{}", b"", b"x" * 300]
    assert parts_v1(frame_v1(b"iopub", parts), 4) == [b"iopub", *parts]
    for bad in (b"", b"\0" * 8, b"\xff" * 100):
        with pytest.raises(ValueError, match="frame"):
            parts_v1(bad, 4)


def test_a_large_parent_is_reduced() -> None:
    packed = parent_bytes({"msg_id": "m" * 5000, "username": "u" * 5000})
    assert len(packed) < 1024


HEADER = b'{"msg_id":"1","msg_type":"stream"}'


@pytest.mark.parametrize(
    "parts",
    [
        [b"", A, b"{}", b"{}"],
        [HEADER, b"", b"{}", b"{}"],
        [HEADER, b'{"msg_id":7}', b"{}", b"{}"],
        [HEADER, b"[1]", b"{}", b"{}"],
        [b'{"msg_id":"1"}', A, b"{}", b"{}"],
        [b"\xff", A, b"{}", b"{}"],
        [b"[" * 100_000, A, b"{}", b"{}"],
        [HEADER, A, b"{}"],
        [],
    ],
)
def test_malformed_frames_are_not_messages(parts: list[bytes]) -> None:
    assert not is_message(frame_v1(b"iopub", parts))
    assert not is_message(b"junk")


def test_well_formed_frames_are_messages() -> None:
    assert is_message(frame_v1(b"iopub", [HEADER, A, b"{}", b"{}", b"buffer"]))
    assert is_message(frame_v1(b"iopub", [HEADER, b"{}", b"{}", b"{}"]))
