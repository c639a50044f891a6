"""The local backend: a kernel gateway in a subprocess, for development. No isolation."""
