"""The built-in recipes."""

from ipybox import ImageRecipe

MINIMAL = ImageRecipe(name="minimal", tags=("ipybox/minimal",))
"""The runtime alone."""

DEFAULT = ImageRecipe(
    name="default",
    tags=("gradion/ipybox",),
    python_packages=("numpy", "pandas", "matplotlib", "pillow"),
)
"""What most code that a model writes imports."""
