"""The images that come with ipybox."""
