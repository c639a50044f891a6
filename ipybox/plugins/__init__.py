"""Hooks, the registry of plugins, and the choice of a backend."""
