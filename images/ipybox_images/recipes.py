"""The built-in recipes."""

from ipybox.authoring import ImageRecipe

MINIMAL = ImageRecipe(name="minimal", tags=("ipybox/minimal",))
"""Contains the runtime alone."""

DEFAULT = ImageRecipe(
    name="default",
    tags=("gradion/ipybox",),
    python_packages=("numpy", "pandas", "matplotlib", "pillow"),
)
"""Adds the packages that most model-written code imports."""
