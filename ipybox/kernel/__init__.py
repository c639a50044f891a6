"""The Jupyter kernel protocol, from frames to executions."""
