"""``python …/ipybox_runtime/kernel/__main__.py FD``: one IPython kernel, without the fork server.

FD is an inherited file descriptor: the socket that carries the :class:`KernelLaunch`.

The file is run by its path. ``-m`` would put the working directory first on the import path, where
a file of the user's could shadow what the kernel imports. IPython adds the working directory
behind the standard library once the kernel is up.
"""

import os
import socket
import sys

del sys.path[0]  # this file's folder: its modules are not top-level modules

from ipybox_runtime.config import MAX_LAUNCH_BYTES, KernelLaunch  # noqa: E402
from ipybox_runtime.imports import block_debugger  # noqa: E402


def main() -> None:
    messages_fd = int(sys.argv[1])
    with socket.socket(fileno=os.dup(messages_fd)) as messages:
        launch = KernelLaunch.from_json(messages.recv(MAX_LAUNCH_BYTES).decode())
    block_debugger()
    from ipybox_runtime.kernel.app import run_kernel

    run_kernel(launch, messages_fd)


if __name__ == "__main__":
    main()
