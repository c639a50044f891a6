"""How an image is made: Dockerfile, build context, and the resolution of an image name."""

import typing as _typing

from ipybox import _moved

if not _typing.TYPE_CHECKING:  # type checkers report the old names as missing
    __getattr__ = _moved.moved_names(
        __name__,
        {
            **{
                name: f"ipybox.authoring.{name}"
                for name in (
                    "BuildContext",
                    "BuildEvent",
                    "ImageInfo",
                    "ImageRecipe",
                    "RUNTIME_LABEL",
                    "split_name",
                )
            },
            **{
                name: f"ipybox.spec.image.{name}"
                for name in (
                    "DEFAULT_BASE",
                    "DEFAULT_USER_ID",
                    "HASH_LABEL",
                    "PROTOCOL_LABEL",
                    "RECIPE_LABEL",
                    "check_image_name",
                )
            },
        },
    )
