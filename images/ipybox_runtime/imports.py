"""Keeps slow optional imports out of the gateway's process."""

import os
import sys

# Each is an optional format checker of jsonschema: jsonschema tries the import
# and does without it when it fails. The first builds a grammar at import and
# takes over a second; the gateway validates nothing that needs any of them.
SLOW_OPTIONAL = (
    "rfc3987_syntax",
    "rfc3987",
    "rfc3986_validator",
    "rfc3339_validator",
    "isoduration",
    "fqdn",
    "webcolors",
    "uri_template",
)


def block_slow_imports() -> None:
    """Makes each import in SLOW_OPTIONAL fail at once, in this process only."""
    for name in SLOW_OPTIONAL:
        sys.modules.setdefault(name, None)  # type: ignore[arg-type]  # None: "import fails"


DEBUGGER_VARIABLE = "IPYBOX_DEBUGGER"


def block_debugger() -> None:
    """Half of a kernel's start would be the import of the debugger, which hardly anybody
    attaches. ``IPYBOX_DEBUGGER=1`` in the container's environment brings it back."""
    if os.environ.get(DEBUGGER_VARIABLE) == "1":
        return
    sys.modules.setdefault("debugpy", None)  # type: ignore[arg-type]  # as above
