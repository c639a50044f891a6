"""A kernel's process: how it starts, and how output leaves it."""
