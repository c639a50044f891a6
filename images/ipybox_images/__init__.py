"""The image recipes that come with ipybox."""
