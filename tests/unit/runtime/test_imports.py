"""What the gateway's process imports, each time in a new interpreter."""

import subprocess
import sys

TELL = """
gateway = imports.import_gateway()
assert gateway.serve
print([name for name in ("jsonschema", "yaml", "rfc3987_syntax") if sys.modules.get(name)],
      isinstance(sys.modules["nbformat"], imports.Placeholder))
"""


def imported(before: str = "") -> tuple[str, str]:
    """What is printed, and said besides, when ``before`` comes first."""
    code = f"import sys\nfrom ipybox_runtime import imports\n{before}{TELL}"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return done.stdout.strip(), done.stderr


def test_what_it_has_no_use_for_is_not_imported() -> None:
    assert imported() == ("[] True", "")


def test_all_is_imported_where_less_will_not_do() -> None:
    """As with some later version of Jupyter's server."""
    told, said = imported("imports.UNUSED += ('jupyter_server',)\n")
    assert told.endswith("False") and "jsonschema" in told
    assert "imported anew, in full: ModuleNotFoundError" in said
