"""Packages that the code installs, and packages of images."""

from __future__ import annotations

import base64
import dataclasses
import io
import sys
import uuid
import zipfile
from pathlib import Path

import pytest

from ipybox.backend import Capability
from ipybox.container import ExecutionContainer
from ipybox.plugins.registry import registry
from ipybox.spec.image import split_name
from ipybox.testing.conformance.checks import check
from ipybox.testing.conformance.session.base import SessionChecks

PROBE = "ipyboxprobe"  # a package that is installed nowhere
PRESENT = "pluggy"  # a package that this process has


def make_wheel(name: str, version: str) -> bytes:
    """Return a small real wheel, so that pip needs no network to install it."""
    content = io.BytesIO()
    info = f"{name}-{version}.dist-info"
    with zipfile.ZipFile(content, "w") as wheel:
        wheel.writestr(f"{name}/__init__.py", f"__version__ = {version!r}\n")
        wheel.writestr(f"{name}/__main__.py", "def main(): print('from the script')\n")
        wheel.writestr(
            f"{info}/METADATA", f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n"
        )
        wheel.writestr(
            f"{info}/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
        )
        wheel.writestr(
            f"{info}/entry_points.txt", f"[console_scripts]\n{name}={name}.__main__:main\n"
        )
        wheel.writestr(f"{info}/RECORD", "")
    return content.getvalue()


WRITE = """
import base64, pathlib
pathlib.Path("wheels").mkdir(exist_ok=True)
for name, content in {wheels}.items():
    _ = pathlib.Path("wheels", name).write_bytes(base64.b64decode(content))
"""


class PackageChecks(SessionChecks):
    """Packages come from pip at run time, and from the image."""

    @check(seconds=250)
    async def test_pip_installs_into_the_container_only(self) -> None:
        wheels = {
            f"{name}-{version}-py3-none-any.whl": base64.b64encode(make_wheel(name, version))
            for name, version in ((PROBE, "1.2.3"), (PRESENT, "99.0"))
        }
        async with self.session() as client:
            await client.execute(WRITE.format(wheels=wheels))
            for command in ("!pip install", "%pip install", "!python -m pip install"):
                result = await client.execute(
                    f"{command} --no-index --find-links wheels {PROBE}", timeout=60
                )
                assert PROBE in (result.text or ""), result.text
            result = await client.execute(f"import {PROBE}; print({PROBE}.__version__)")
            assert result.text == "1.2.3"
            assert (await client.execute(f"!{PROBE}")).text == "from the script"
            # The host has an older version of this package, which must stay as it is.
            upgrade = await client.execute(
                f"!pip install --no-index --find-links wheels --upgrade {PRESENT}", timeout=60
            )
            assert f"Successfully installed {PRESENT}-99.0" in (upgrade.text or "")
            result = await client.execute(f"import {PRESENT}; {PRESENT}.__version__")
            assert result.text == "'99.0'"
        host = [Path(entry) for entry in sys.path if entry.endswith("site-packages")]
        assert host
        assert not [found for folder in host for found in folder.glob(f"{PROBE}*")]
        assert not [found for folder in host for found in folder.glob(f"{PRESENT}-99*")]
        assert not (Path(sys.executable).parent / PROBE).exists()

        async with self.session() as client:
            found = await client.execute(f"import importlib.util as u; u.find_spec('{PROBE}')")
            assert found.text is None

    @pytest.mark.index
    @check(Capability.IMAGES, seconds=400)
    async def test_a_recipe_is_built_with_its_packages(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """A recipe is built when a container asks for its image.

        The recipe differs from the default one only at its end, so that an engine that has
        the default image builds little.
        """
        tag = f"ipybox-conformance/packages-{uuid.uuid4().hex[:12]}"
        recipe = dataclasses.replace(
            registry().images["default"], name="conformance", tags=(tag,), env={"OWN": "1"}
        )
        monkeypatch.setitem(registry().images, recipe.name, recipe)
        options = {**self.options, "backend": self.subject}
        try:
            async with ExecutionContainer(tag, **options) as container:
                async with self.client(container) as client:
                    code = "import os, pandas; print(pandas.__name__, os.environ['OWN'])"
                    assert (await client.execute(code)).text == "pandas 1"
        finally:
            for image in await self.subject.images():
                for name in image.tags:
                    if split_name(name)[0].endswith(tag):
                        await self.subject.remove_image(name)
