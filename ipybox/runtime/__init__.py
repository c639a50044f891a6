"""What host and runtime agree on: start, labels, ports, and what a container guarantees."""
