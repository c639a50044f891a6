"""The build context of a recipe. Pure, except that it reads the runtime's source files."""

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
"""Environment variable with the image to use in place of the default base."""
HASH_CHARS = 12
LOCAL_REQUIREMENT = re.compile(r"""^(?P<name>.+?)\s*;\s*extra\s*==\s*['"]local['"]$""")
ENTRY_POINTS = f"""[jupyter_client.kernel_provisioners]
ipybox = {RUNTIME}.gateway.provisioner:RuntimeProvisioner
"""


def build_context(recipe: ImageRecipe, *, tags: Sequence[str] | None = None) -> BuildContext:
    """Return the build context of a recipe. Equal recipes give equal contexts, byte for byte.

    Besides its own names, the image gets each of them with a hash of the content as the tag.

    Args:
        recipe: The recipe.
        tags: Names of the image; None for those that the recipe claims.

    Returns:
        The context.

    Raises:
        InvalidArgumentError: If there are no names, or one is not a valid image name or has a
            digest; if an environment variable of the recipe contains a line break; if
            ``IPYBOX_BASE_IMAGE`` is needed and is not a valid image name.
        BackendError: If the runtime's source is not installed.
    """
    names = tuple(recipe.tags if tags is None else tags)
    if not names:
        raise InvalidArgumentError(
            f"The recipe {recipe.name!r} claims no image name. Choose one for the image."
        )
    for name in names:
        check_image_name(name)
        if "@" in name:
            raise InvalidArgumentError(
                f"The image name {name!r} has a digest, which results from the content of an "
                "image and can't be chosen. Leave it out."
            )
    files: dict[str, bytes] = {"Dockerfile": dockerfile(recipe, _base(recipe)).encode()}
    packages = (*_runtime_requirements(), *recipe.python_packages)
    files["build/requirements.txt"] = "".join(f"{line}\n" for line in packages).encode()
    files |= {f"build/runtime/{path}": data for path, data in _runtime_files().items()}
    if recipe.files:
        added = {path.lstrip("/"): bytes(data) for path, data in recipe.files.items()}
        files[FILES] = _archive(added)
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
    """Pack a build context into a tar archive. Equal contexts give equal archives.

    Args:
        context: The build context; its files are packed.

    Returns:
        The archive, without compression.
    """
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
    """Return the runtime's modules, with the metadata that an installer would write.

    The keys are paths below the folder of Python packages.
    """
    spec = importlib.util.find_spec(RUNTIME)
    if spec is None or spec.origin is None:
        raise BackendError(
            f"The package {RUNTIME}, which is part of ipybox, was not found. Reinstall ipybox."
        )
    folder = Path(spec.origin).parent
    files = {
        f"{RUNTIME}/{path.relative_to(folder).as_posix()}": path.read_bytes()
        for path in sorted(folder.rglob("*.py"))
    }
    info = f"{RUNTIME}-{VERSION}.dist-info"
    metadata = f"Metadata-Version: 2.1\nName: {RUNTIME.replace('_', '-')}\nVersion: {VERSION}\n"
    files[f"{info}/METADATA"] = metadata.encode()
    files[f"{info}/entry_points.txt"] = ENTRY_POINTS.encode()
    files[f"{info}/INSTALLER"] = b"ipybox\n"
    record = "".join(f"{path},,\n" for path in (*files, f"{info}/RECORD"))
    files[f"{info}/RECORD"] = record.encode()
    return files


def _runtime_requirements() -> list[str]:
    """Return the requirements of the extra ``local``, which runs the same runtime."""
    found = [LOCAL_REQUIREMENT.match(line) for line in importlib.metadata.requires("ipybox") or ()]
    return sorted(match["name"] for match in found if match)


def _hash(files: Mapping[str, bytes], labels: Mapping[str, str]) -> str:
    parts = [(path.encode(), data) for path, data in sorted(files.items())]
    parts += [(name.encode(), value.encode()) for name, value in sorted(labels.items())]
    digest = hashlib.sha256()
    for name, data in parts:
        digest.update(f"{len(name)} {len(data)} ".encode() + name + data)
    return digest.hexdigest()
