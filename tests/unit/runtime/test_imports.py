"""What the gateway's process imports. Each test starts a new interpreter."""

import subprocess
import sys

import pytest

PRINT_IMPORTED = """
gateway = imports.import_gateway()
assert gateway.serve
print([name for name in ("jsonschema", "yaml", "rfc3987_syntax") if sys.modules.get(name)],
      isinstance(sys.modules["nbformat"], imports.Placeholder))
"""


def imported(before: str = "") -> tuple[str, str]:
    """Run ``before``, then import the gateway; return standard output and standard error."""
    code = f"import sys\nfrom ipybox_runtime import imports\n{before}{PRINT_IMPORTED}"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return done.stdout.strip(), done.stderr


@pytest.mark.slow
def test_unused_modules_are_not_imported() -> None:
    assert imported() == ("[] True", "")


@pytest.mark.slow
def test_everything_is_imported_if_placeholders_do_not_suffice() -> None:
    """A later version of Jupyter Server may need more than a placeholder has."""
    printed, logged = imported("imports.UNUSED += ('jupyter_server',)\n")
    assert printed.endswith("False") and "jsonschema" in printed
    assert "importing the gateway again, without placeholders: ModuleNotFoundError" in logged
