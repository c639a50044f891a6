"""The Dockerfile of a recipe: pure. It needs no particular builder, so old ones can run it."""

from __future__ import annotations

import json
import shlex

from ipybox.errors import InvalidArgumentError
from ipybox.spec.image import ImageRecipe
from ipybox.spec.paths import HOME, PREFIX, WORKDIR

CONTEXT = "/ipybox-build"
"""Where the first stage keeps the context; nothing of it is left in the last stage."""
FILES = "files.tar"
"""Archive of the recipe's files. Copying them as a folder would also apply the modes of its
folders and replace links by folders: /tmp would then belong to root alone."""

CHECK = """
set -eu
command -v python3 >/dev/null || {
    echo "ipybox: the base has no python3; Python 3.11 or newer is needed."; exit 64; }
python3 -c "import sys; sys.exit(sys.version_info < (3, 11))" || {
    echo "ipybox: the base has $(python3 -V); Python 3.11 or newer is needed."; exit 64; }
"""

MAKE_ENVIRONMENT = f"""
set -eu
python3 -m venv --system-site-packages {PREFIX} 2>/dev/null || {{
    rm -rf {PREFIX}
    command -v apt-get >/dev/null || {{
        echo "ipybox: the python3 of the base has no venv, and there is no apt-get."; exit 64; }}
    apt-get update -q
    apt-get install -y -q --no-install-recommends python3-venv
    python3 -m venv --system-site-packages {PREFIX}
}}
{PREFIX}/bin/python -m pip install --no-cache-dir --no-compile --disable-pip-version-check \\
    -r {CONTEXT}/requirements.txt
"""

# compileall fails if a package holds a file that is not valid for this version of Python, which
# installers tolerate.
INSTALL_RUNTIME = f"""
set -eu
packages="$({PREFIX}/bin/python -c 'import sysconfig; print(sysconfig.get_path("purelib"))')"
cp -r {CONTEXT}/runtime/. "$packages"
for unused in zmq/tests tornado/test psutil/tests matplotlib/tests pandas/tests; do
    rm -rf "$packages/$unused"
done
grep -q "^debugpy" {CONTEXT}/requirements.txt ||
    {PREFIX}/bin/python -m pip uninstall -q -y --disable-pip-version-check debugpy
{PREFIX}/bin/python -m compileall -qq -j 0 {PREFIX}/lib || true
"""

# The base may lack byte-code for its standard library (as Docker's own Python images do). What
# a gateway and a kernel import is compiled here, once, rather than at each start.
COMPILE_IMPORTED = """
import os, py_compile, sys
import ipybox_runtime.__main__
from ipybox_runtime.imports import import_gateway
import_gateway()
from ipybox_runtime.kernel.preload import preload
preload()
for module in list(sys.modules.values()):
    spec = getattr(module, "__spec__", None)
    cached = getattr(spec, "cached", None)
    if cached and spec.origin and spec.origin.endswith(".py") and not os.path.exists(cached):
        py_compile.compile(spec.origin, doraise=False, quiet=2)
"""

# What the import writes goes to a scratch folder, because /root and /tmp may hold files of the
# base or the recipe, and can't be cleared.
SET_UP = f"""
set -eu
id={{id}}
grep -q "^[^:]*:[^:]*:$id:" /etc/passwd || echo "ipybox:x:$id:$id::{HOME}:/bin/sh" >>/etc/passwd
grep -q "^[^:]*:[^:]*:$id:" /etc/group || echo "ipybox:x:$id:" >>/etc/group
scratch="$(mktemp -d)"
HOME="$scratch" TMPDIR="$scratch" {PREFIX}/bin/python -c {{compile}}
rm -rf "$scratch"
mkdir -p {WORKDIR} {HOME}
mkdir -p "$(HOME={HOME} {PREFIX}/bin/python -m site --user-site)" {HOME}/.local/bin
chown -R "$id:$id" {WORKDIR} {HOME}
chmod -R 0777 {WORKDIR} {HOME}
"""


def dockerfile(recipe: ImageRecipe, base: str) -> str:
    """Return the Dockerfile of a recipe.

    The first of its two stages creates the environment of the runtime, the second copies it.

    Args:
        recipe: The recipe.
        base: Name of the base image of both stages.

    Returns:
        The text of the Dockerfile.

    Raises:
        InvalidArgumentError: If an environment variable of the recipe contains a line break.
    """
    lines = [
        f"FROM {base} AS build",
        "USER 0",
        f"COPY build {CONTEXT}",
        _run(CHECK),
        _run(MAKE_ENVIRONMENT),
        _run(INSTALL_RUNTIME),
        f"FROM {base}",
        "USER 0",
    ]
    if recipe.system_packages:
        lines.append(_run(_install_system_packages(recipe)))
    lines.append(f"COPY --from=build {PREFIX} {PREFIX}")
    if recipe.files:
        lines.append(f"ADD {FILES} /")
    environment = {
        "PATH": f"{HOME}/.local/bin:{PREFIX}/bin:$PATH",
        "HOME": HOME,
        "USER": "ipybox",
        "LOGNAME": "ipybox",
        "PIP_DISABLE_PIP_VERSION_CHECK": "1",
        "PIP_NO_INPUT": "1",
    }
    set_up = SET_UP.format(id=recipe.user_id, compile=shlex.quote(COMPILE_IMPORTED))
    lines += [
        _run(set_up),
        "ENV " + " ".join(f'{name}="{value}"' for name, value in environment.items()),
        *(f"ENV {name}={_quoted(name, value)}" for name, value in _recipe_environment(recipe)),
        f"USER {recipe.user_id}:{recipe.user_id}",
        f"WORKDIR {WORKDIR}",
        # -P, so that files of the code are not imported in place of the runtime's modules.
        "ENTRYPOINT " + json.dumps([f"{PREFIX}/bin/python", "-P", "-m", "ipybox_runtime"]),
        "CMD []",
    ]
    return "\n".join(lines) + "\n"


def _run(script: str) -> str:
    return "RUN " + json.dumps(["/bin/sh", "-c", script.strip()])


def _install_system_packages(recipe: ImageRecipe) -> str:
    packages = " ".join(shlex.quote(name) for name in recipe.system_packages)
    return (
        'set -eu; command -v apt-get >/dev/null || { echo "ipybox: the base has no apt-get to '
        'install system packages with."; exit 64; }; export DEBIAN_FRONTEND=noninteractive; '
        "apt-get update -q; apt-get install -y -q --no-install-recommends -- "
        f"{packages}; rm -rf /var/lib/apt/lists/*"
    )


def _recipe_environment(recipe: ImageRecipe) -> list[tuple[str, str]]:
    preload = [("IPYBOX_PRELOAD", ",".join(recipe.preload))] if recipe.preload else []
    return preload + sorted(recipe.env.items())


def _quoted(name: str, value: str) -> str:
    if "\n" in value or "\r" in value:
        raise InvalidArgumentError(
            f"The environment variable {name!r} of an image must not contain a line break. "
            "Pass it to the container (env=) instead."
        )
    escaped = value.replace("\\", "\\\\").replace('"', '\\"').replace("$", "\\$")
    return f'"{escaped}"'
