"""Who runs the code in a container: pure."""

from __future__ import annotations

from ipybox.engines.engine import Surroundings
from ipybox.spec import ContainerSpec


def run_user(spec: ContainerSpec, around: Surroundings, uid: int, gid: int) -> str | None:
    """Who runs the code: None for the image's own user.

    With folders of the host it is the host's user, so that files belong to the same on
    both sides; a rootless engine maps that to its root. Where the host's user is root,
    the image's own will do for what is only read.
    """
    if spec.user is not None:
        return spec.user
    if not spec.binds or not around.local:
        return None
    if around.rootless:
        return "0:0"
    if uid == 0 and all(bind.read_only for bind in spec.binds):
        return None
    return f"{uid}:{gid}"
