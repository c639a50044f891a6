"""The counts of frames by which a connection is resumed after a cut. Pure: no I/O."""

from __future__ import annotations

from collections import deque

CONFIRM_BYTES = 512 * 1024
CONFIRM_FRAMES = 256


class FrameCounts:
    """Counts the frames that a session has sent and received, over all its connections.

    Client and gateway exchange their counts when they connect again after a cut. Each then sends
    what the other lacks, so no frame is lost, duplicated, or executed twice.

    Attributes:
        received: The number of frames that have arrived.
        sent: The number of frames that were sent, including those lost in a cut.
    """

    def __init__(self) -> None:
        self.received = 0
        self.sent = 0
        self._confirmed = 0  # the last count that the gateway was given
        self._unconfirmed_bytes = 0  # that have arrived since then
        self._kept: deque[tuple[int, str, str | bytes]] = deque()

    def count_received(self, size: int) -> bool:
        """Count a frame that has arrived.

        Args:
            size: The length of the frame.

        Returns:
            Whether the gateway should be given the count now, so that it can discard what has
            arrived and send more. This is so after every CONFIRM_BYTES or CONFIRM_FRAMES.
        """
        self.received += 1
        self._unconfirmed_bytes += size
        if (
            self._unconfirmed_bytes < CONFIRM_BYTES
            and self.received - self._confirmed < CONFIRM_FRAMES
        ):
            return False
        self._confirmed, self._unconfirmed_bytes = self.received, 0
        return True

    def count_sent(self, msg_id: str, frame: str | bytes) -> None:
        """Count a frame that is about to be sent, and keep it until its request is released."""
        self.sent += 1
        self._kept.append((self.sent, msg_id, frame))

    def rewind(self, known: int) -> list[tuple[str, str | bytes]]:
        """Set the count of sent frames to what the gateway has received.

        Args:
            known: The number of frames that the gateway has received.

        Returns:
            The message ids and frames that the gateway lacks, in order. They have to be counted
            and sent again.
        """
        missing = [(msg_id, frame) for number, msg_id, frame in self._kept if number > known]
        self.sent = known
        self._kept = deque(item for item in self._kept if item[0] <= known)
        return missing

    def forget(self, msg_id: str) -> None:
        """Discard the kept frames of a request."""
        self._kept = deque(item for item in self._kept if item[1] != msg_id)
