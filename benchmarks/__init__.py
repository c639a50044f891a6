"""Benchmarks: the same work on ipybox, the stock gateway and raw ZMQ, within one run."""
