"""What runs inside a container: the kernel gateway and, under it, the kernels.

Imports nothing of ``ipybox``: host and runtime meet at the wire only.
"""

__all__ = ["RUNTIME_VERSION"]

RUNTIME_VERSION = "0.1.0"
