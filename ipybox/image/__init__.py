"""What goes into a container image, and how an image is found."""
