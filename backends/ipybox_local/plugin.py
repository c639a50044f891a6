"""Register the local backend."""

from ipybox.authoring import BackendDescriptor, hookimpl


def _load() -> type:
    from ipybox_local.backend import LocalBackend

    return LocalBackend


@hookimpl
def ipybox_register_backends() -> list[BackendDescriptor]:
    return [
        BackendDescriptor(
            name="local",
            summary="a subprocess of this process, for development",
            isolation="none",
            load=_load,
        )
    ]
