"""A third-party distribution with plugins for ipybox, as an example for authors."""
