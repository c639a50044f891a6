"""``python …/ipybox_runtime/kernel.py -f FILE``: one IPython kernel.

Run by path, not by ``-m``: that would put the working directory first on the
import path, where a file of the user's shadows the kernel's own imports. IPython
adds the working directory behind the standard library, once all is up.
"""

import sys

del sys.path[0]  # this file's folder, whose modules are no top-level ones

from traitlets.config import Config  # noqa: E402


def settings() -> Config:
    """What differs from IPython's defaults: a program reads the output, nobody types."""
    values = Config()
    values.InteractiveShell.colors = "nocolor"
    values.HistoryManager.enabled = False
    # Its first answer takes seconds, and it runs what it completes all the same.
    values.IPCompleter.use_jedi = False
    return values


def main() -> None:
    # Half of a kernel's start would be the import of the debugger, which nobody attaches.
    sys.modules.setdefault("debugpy", None)  # type: ignore[arg-type]  # None: "import fails"
    from ipykernel.kernelapp import IPKernelApp

    IPKernelApp.launch_instance(argv=sys.argv[1:], config=settings())


if __name__ == "__main__":
    main()
