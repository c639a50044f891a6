"""Paths and the port inside a container, on which host and runtime agree."""

PREFIX = "/opt/ipybox"
"""Virtual environment of the runtime."""
PYTHON = f"{PREFIX}/bin/python"
HOME = "/home/ipybox"
WORKDIR = "/app"
"""Working directory of the code; binds are placed below it."""
RUN_FOLDER = "/run/ipybox"
"""In-memory file system, where the runtime keeps what later processes need."""
RUN_FOLDER_BYTES = 1024 * 1024
TOKEN_FILE = f"{RUN_FOLDER}/token"
LEASE_FILE = f"{RUN_FOLDER}/lease"
GATEWAY_PORT = 8888
"""Port on which the gateway listens; no other port of the container may use this number."""
