"""The counts by which a connection is resumed."""

from ipybox.kernel.resume import CONFIRM_BYTES, CONFIRM_FRAMES, FrameCounts


def test_frames_that_the_gateway_lacks_are_returned_in_order() -> None:
    counts = FrameCounts()
    for name in "abcd":
        counts.count_sent(name, name.upper())
    assert counts.rewind(2) == [("c", "C"), ("d", "D")]
    assert counts.sent == 2
    counts.count_sent("c", "C")
    assert counts.rewind(2) == [("c", "C")]


def test_frames_of_released_requests_are_not_sent_again() -> None:
    counts = FrameCounts()
    for name in "abc":
        counts.count_sent(name, name)
    counts.forget("b")
    assert counts.rewind(0) == [("a", "a"), ("c", "c")]


def test_the_count_is_confirmed_after_many_frames() -> None:
    counts = FrameCounts()
    due = [counts.count_received(1) for _ in range(2 * CONFIRM_FRAMES)]
    assert [number for number, now in enumerate(due, 1) if now] == [
        CONFIRM_FRAMES,
        2 * CONFIRM_FRAMES,
    ]
    assert counts.received == 2 * CONFIRM_FRAMES


def test_the_count_is_confirmed_after_many_bytes() -> None:
    counts = FrameCounts()
    assert not counts.count_received(CONFIRM_BYTES - 1)
    assert counts.count_received(1)
    assert not counts.count_received(1)
