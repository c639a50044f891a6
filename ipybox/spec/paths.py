"""Paths and the port inside a container, which host and runtime agree on."""

PREFIX = "/opt/ipybox"
"""The environment of the runtime."""
PYTHON = f"{PREFIX}/bin/python"
HOME = "/home/ipybox"
WORKDIR = "/app"
"""The working directory of the code; binds are placed below it."""
RUN_FOLDER = "/run/ipybox"
"""A file system in memory, where the runtime keeps what it shares with later processes."""
TOKEN_FILE = f"{RUN_FOLDER}/token"
LEASE_FILE = f"{RUN_FOLDER}/lease"
GATEWAY_PORT = 8888
"""Where the gateway listens; no other port of the container may claim it."""
