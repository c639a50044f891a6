"""Register the Podman backend."""

from ipybox.authoring import BackendDescriptor, hookimpl


def _load() -> type:
    from ipybox_podman.backend import PodmanBackend

    return PodmanBackend


@hookimpl
def ipybox_register_backends() -> list[BackendDescriptor]:
    return [
        BackendDescriptor(
            name="podman",
            summary="containers of a Podman engine, rootless or rootful",
            isolation="container",
            load=_load,
        )
    ]
