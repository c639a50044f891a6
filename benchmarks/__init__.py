"""The same work, on ipybox, on the stock gateway and on raw ZMQ, in one run."""
