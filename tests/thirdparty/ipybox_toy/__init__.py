"""What somebody else might bring to ipybox, in a distribution of their own."""
