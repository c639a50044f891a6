"""The wire to the runtime in a container: its start, labels, and what it guarantees."""
