"""An image recipe: the default's runtime, with one more package."""

from ipybox.authoring import ImageRecipe

RECIPE = ImageRecipe(
    name="toy",
    tags=("example/toy",),
    python_packages=("einops",),
)
