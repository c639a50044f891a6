"""The Dockerfile of a recipe: pure. Any builder can run it, the oldest among them."""

from __future__ import annotations

import json
import shlex

from ipybox.errors import InvalidArgumentError
from ipybox.spec.image import ImageRecipe
from ipybox.spec.paths import HOME, PREFIX, WORKDIR

CONTEXT = "/ipybox-build"
"""Where the context is while it is built; in the last stage there is nothing of it."""
FILES = "files.tar"
"""The recipe's files. Copied as a folder, they would take its folders' modes along, and put
folders in place of links: /tmp would be root's alone."""

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

# compileall fails where a package holds a file that is no Python of this version, which
# installers let be.
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

# The base may have no byte-code for its standard library (Docker's own Python images): what
# a gateway and a kernel import is compiled once, and not at each start.
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

# What the import writes goes to a folder that is removed: /root and /tmp may hold what the
# base or the recipe has put there.
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
    """Two stages: in the first the runtime's environment is made, which the second takes."""
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
        *(f"ENV {name}={_quoted(name, value)}" for name, value in _own_environment(recipe)),
        f"USER {recipe.user_id}:{recipe.user_id}",
        f"WORKDIR {WORKDIR}",
        # -P: files of the code's are no modules of ours.
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


def _own_environment(recipe: ImageRecipe) -> list[tuple[str, str]]:
    preload = [("IPYBOX_PRELOAD", ",".join(recipe.preload))] if recipe.preload else []
    return preload + sorted(recipe.env.items())


def _quoted(name: str, value: str) -> str:
    if "\n" in value or "\r" in value:
        raise InvalidArgumentError(
            f"environment variable {name!r} of the image has a line break; images can't hold "
            "those. Give it to the container (env=)."
        )
    escaped = value.replace("\\", "\\\\").replace('"', '\\"').replace("$", "\\$")
    return f'"{escaped}"'
