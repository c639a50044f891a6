"""The kernel gateway: starts kernels, and carries messages between them and their clients."""
