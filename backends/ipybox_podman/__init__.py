"""The Podman backend: containers of a Podman engine, rootless or rootful."""
