"""Register the Docker backend."""

from ipybox.authoring import BackendDescriptor, hookimpl


def _load() -> type:
    from ipybox_docker.backend import DockerBackend

    return DockerBackend


@hookimpl
def ipybox_register_backends() -> list[BackendDescriptor]:
    return [
        BackendDescriptor(
            name="docker",
            summary="containers of a Docker engine",
            isolation="container",
            load=_load,
        )
    ]
