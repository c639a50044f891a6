"""What runs inside a container: the kernel gateway and, under it, the kernels.

Imports nothing of ``ipybox``: host and runtime meet at the wire only.
"""

__all__ = ["PROTOCOL", "RESUME_SUBPROTOCOL", "RUNTIME_VERSION"]

RUNTIME_VERSION = "0.2.0"

PROTOCOL = 1
"""What host and runtime agree on beyond Jupyter's own: resuming, status, messages of ours."""

RESUME_SUBPROTOCOL = "v1.resume.ipybox"
