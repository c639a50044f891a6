"""What runs inside a container: the kernel gateway and, below it, the kernels.

Imports nothing of ``ipybox``: host and runtime share the wire format only.
"""

__all__ = ["PROTOCOL", "RESUME_SUBPROTOCOL", "RUNTIME_VERSION"]

RUNTIME_VERSION = "0.2.0"
"""The version of the whole distribution; it is written here and nowhere else."""

PROTOCOL = 1
"""Version of what host and runtime agree on beyond Jupyter's protocol: resuming, status, messages
of ipybox's own."""

RESUME_SUBPROTOCOL = "v1.resume.ipybox"
"""WebSocket subprotocol of clients that can resume a broken connection."""
