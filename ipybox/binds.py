"""The host's side of binds."""

from __future__ import annotations

import dataclasses

from ipybox.errors import InvalidArgumentError
from ipybox.spec import ContainerSpec


def resolve_binds(spec: ContainerSpec) -> ContainerSpec:
    """The spec with absolute host paths, each of them made if it was missing."""
    binds = []
    for bind in spec.binds:
        path = bind.host_path.absolute()
        try:
            path.mkdir(parents=True, exist_ok=True)
        except FileExistsError:
            pass  # a file: bound as it is
        except OSError as error:
            raise InvalidArgumentError(
                f"bind {str(bind.host_path)!r}: it does not exist and can't be made: {error}."
            ) from error
        binds.append(dataclasses.replace(bind, host_path=path))
    return dataclasses.replace(spec, binds=tuple(binds))
