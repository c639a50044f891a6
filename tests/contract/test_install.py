"""What the code installs lands in the container, and nowhere else."""

import sys
import zipfile
from pathlib import Path

import ipybox


def make_wheel(folder: Path, name: str, version: str) -> Path:
    """A small real wheel, so that pip needs no network for it."""
    path = folder / f"{name}-{version}-py3-none-any.whl"
    info = f"{name}-{version}.dist-info"
    with zipfile.ZipFile(path, "w") as wheel:
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
    return path


async def test_pip_installs_into_the_container(backend: str, tmp_path: Path) -> None:
    make_wheel(tmp_path, "ipyboxprobe", "1.2.3")
    make_wheel(tmp_path, "pluggy", "99.0")
    async with ipybox.session(backend=backend, binds={str(tmp_path): "wheels"}) as client:
        for command in ("!pip install", "%pip install", "!python -m pip install"):
            result = await client.execute(
                f"{command} --no-index --find-links wheels ipyboxprobe", timeout=60
            )
            assert "ipyboxprobe" in (result.text or ""), result.text
        result = await client.execute("import ipyboxprobe; print(ipyboxprobe.__version__)")
        assert result.text == "1.2.3"
        assert (await client.execute("!ipyboxprobe")).text == "from the script"
        if backend == "local":
            # A newer version of what the host has: the host's own stays as it is.
            upgrade = await client.execute(
                "!pip install --no-index --find-links wheels --upgrade pluggy", timeout=60
            )
            assert "Successfully installed pluggy-99.0" in (upgrade.text or "")
            assert (await client.execute("import pluggy; pluggy.__version__")).text == "'99.0'"
    host = [Path(entry) for entry in sys.path if entry.endswith("site-packages")]
    assert host
    assert not [found for folder in host for found in folder.glob("ipyboxprobe*")]
    assert not [found for folder in host for found in folder.glob("pluggy-99*")]
    assert not (Path(sys.executable).parent / "ipyboxprobe").exists()

    async with ipybox.session(backend=backend) as client:
        found = await client.execute("import importlib.util as u; u.find_spec('ipyboxprobe')")
        assert found.text is None
