"""Containers of a Podman engine, rootless or not."""
