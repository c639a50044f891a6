"""A kernel's process: how it starts, and how its output leaves it."""
