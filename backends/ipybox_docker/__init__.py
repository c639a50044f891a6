"""The Docker backend: containers of a Docker engine."""
