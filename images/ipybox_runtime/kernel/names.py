"""What kernel and gateway say to each other."""

HELLO = b"hello"
"""The first message of a kernel: its sockets can be connected to."""
