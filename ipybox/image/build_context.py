"""What an engine builds a recipe's image from: pure but for reading the runtime's source."""

from __future__ import annotations

import functools
import hashlib
import importlib.metadata
import importlib.util
import io
import os
import re
import tarfile
from collections.abc import Mapping, Sequence
from pathlib import Path

from ipybox.errors import BackendError, InvalidArgumentError
from ipybox.gateway.versions import PROTOCOL, VERSION
from ipybox.image.dockerfile import FILES, dockerfile
from ipybox.spec.image import (
    DEFAULT_BASE,
    HASH_LABEL,
    PROTOCOL_LABEL,
    RECIPE_LABEL,
    RUNTIME_LABEL,
    BuildContext,
    ImageRecipe,
    check_image_name,
    split_name,
)

RUNTIME = "ipybox_runtime"
BASE_VARIABLE = "IPYBOX_BASE_IMAGE"
"""Stands in for the default base, where that can't be pulled."""
HASH_CHARS = 12
OWN_REQUIREMENT = re.compile(r"""^(?P<name>.+?)\s*;\s*extra\s*==\s*['"]local['"]$""")
ENTRY_POINTS = f"""[jupyter_client.kernel_provisioners]
ipybox = {RUNTIME}.gateway.provisioner:RuntimeProvisioner
"""


def build_context(recipe: ImageRecipe, *, tags: Sequence[str] | None = None) -> BuildContext:
    """The context of an image with these names (None: those that the recipe claims).

    The same recipe gives the same bytes. Raises InvalidArgumentError for what can't be
    in an image.
    """
    names = tuple(recipe.tags if tags is None else tags)
    if not names:
        raise InvalidArgumentError(f"the recipe {recipe.name!r} claims no tag; give one.")
    for name in names:
        check_image_name(name)
        if "@" in name:
            raise InvalidArgumentError(
                f"{name!r} has a digest; that comes of an image's content and can't be given."
            )
    files: dict[str, bytes] = {"Dockerfile": dockerfile(recipe, _base(recipe)).encode()}
    packages = (*_runtime_requirements(), *recipe.python_packages)
    files["build/requirements.txt"] = "".join(f"{line}\n" for line in packages).encode()
    files |= {f"build/runtime/{path}": data for path, data in _runtime_files().items()}
    if recipe.files:
        files[FILES] = _archive({path.lstrip("/"): bytes(it) for path, it in recipe.files.items()})
    labels = {
        RECIPE_LABEL: recipe.name,
        RUNTIME_LABEL: VERSION,
        PROTOCOL_LABEL: str(PROTOCOL),
    }
    content_hash = _hash(files, labels)
    by_content = [f"{split_name(name)[0]}:{content_hash[:HASH_CHARS]}" for name in names]
    return BuildContext(
        recipe=recipe.name,
        files=dict(sorted(files.items())),
        tags=tuple(dict.fromkeys((*names, *by_content))),
        labels={**labels, HASH_LABEL: content_hash},
        content_hash=content_hash,
    )


def pack(context: BuildContext) -> bytes:
    """The context as a tar archive; the same context gives the same bytes."""
    return _archive(context.files)


def _archive(files: Mapping[str, bytes]) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=tarfile.PAX_FORMAT) as archive:
        for path, data in sorted(files.items()):
            item = tarfile.TarInfo(path)
            item.size = len(data)
            item.mode = 0o644
            archive.addfile(item, io.BytesIO(data))
    return buffer.getvalue()


def _base(recipe: ImageRecipe) -> str:
    other = os.environ.get(BASE_VARIABLE)
    if recipe.base != DEFAULT_BASE or not other:
        return recipe.base
    try:
        check_image_name(other)
    except InvalidArgumentError as error:
        raise InvalidArgumentError(f"{BASE_VARIABLE}: {error}") from error
    return other


@functools.cache
def _runtime_files() -> Mapping[str, bytes]:
    """The runtime's modules, and what an installer would have written of them."""
    spec = importlib.util.find_spec(RUNTIME)
    if spec is None or spec.origin is None:
        raise BackendError(f"{RUNTIME} is not installed; it is part of ipybox. Install it anew.")
    folder = Path(spec.origin).parent
    files = {
        f"{RUNTIME}/{path.relative_to(folder).as_posix()}": path.read_bytes()
        for path in sorted(folder.rglob("*.py"))
    }
    about = f"{RUNTIME}-{VERSION}.dist-info"
    metadata = f"Metadata-Version: 2.1\nName: {RUNTIME.replace('_', '-')}\nVersion: {VERSION}\n"
    files[f"{about}/METADATA"] = metadata.encode()
    files[f"{about}/entry_points.txt"] = ENTRY_POINTS.encode()
    files[f"{about}/INSTALLER"] = b"ipybox\n"
    record = "".join(f"{path},,\n" for path in (*files, f"{about}/RECORD"))
    files[f"{about}/RECORD"] = record.encode()
    return files


def _runtime_requirements() -> list[str]:
    """Those of the extra ``local``: what runs there is the same."""
    found = [OWN_REQUIREMENT.match(line) for line in importlib.metadata.requires("ipybox") or ()]
    return sorted(match["name"] for match in found if match)


def _hash(files: Mapping[str, bytes], labels: Mapping[str, str]) -> str:
    parts = [(path.encode(), data) for path, data in sorted(files.items())]
    parts += [(name.encode(), value.encode()) for name, value in sorted(labels.items())]
    digest = hashlib.sha256()
    for name, data in parts:
        digest.update(f"{len(name)} {len(data)} ".encode() + name + data)
    return digest.hexdigest()
