"""What the code installs lands in the container, and nowhere else; and packages of images."""

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
from ipybox.testing.conformance.session.shared import SessionChecks

PROBE, PRESENT = "ipyboxprobe", "pluggy"  # one that nobody has, and one that this process has


def make_wheel(name: str, version: str) -> bytes:
    """A small real wheel, so that pip needs no network for it."""
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
    """With pip at run time, and from an image."""

    @check(seconds=250)
    async def test_pip_installs_into_the_container(self) -> None:
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
            # A newer version of what the host has: the host's own stays as it is.
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
    async def test_packages_of_an_image(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """A recipe of one's own is built when its tag is asked for. It differs from the
        default one at its end alone, so that an engine which has that one builds little."""
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
