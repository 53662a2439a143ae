"""PNG and WebP images under a JPEG's name, decoded by Pillow where that is installed.

The extra ``pillow`` installs it; Pillow-SIMD, which has the same name, serves as well.
"""

from __future__ import annotations

import io
from collections.abc import Callable, Sequence

import numpy as np

from textbook_fast.errors import ImageError
from textbook_fast.jpeg import Image

__all__ = ["decode_others"]

HINT = "install Pillow (pip install 'textbook-fast[pillow]') to have it decoded"


def format_of(data: bytes) -> str | None:
    """Which of the formats it is, by its first bytes."""
    if data.startswith(b"\x89PNG\r\n\x1a\n"):
        return "PNG"
    if data.startswith(b"RIFF") and data[8:12] == b"WEBP":
        return "WEBP"
    return None


def decode_others(
    images: list[Image | ImageError | None],
    paths: Sequence[str | None],
    read: Callable[[str], bytes],
) -> list[Image | ImageError | None]:
    """Puts the image, or a better error, where another format stands under a JPEG's name.

    Args:
        images: What the JPEG decoder made of `paths`; changed and returned.
        paths: The images' paths.
        read: Gives the encoded bytes of a path.
    """
    for position, (image, path) in enumerate(zip(images, paths, strict=True)):
        if isinstance(image, ImageError) and image.kind == "not_jpeg" and path is not None:
            images[position] = decode_other(image, path, read)
    return images


def decode_other(error: ImageError, path: str, read: Callable[[str], bytes]) -> Image | ImageError:
    """The image as of `decode_jpeg` (a transparent one on what its colors are), or an error."""
    try:
        data = read(path)
        name = format_of(data)
        return error if name is None else decode(data, name)
    except ImportError:
        return failure(path, f"{error.reason}: {HINT}", "not_jpeg")
    except ImageError as other:
        return other if other.image else failure(path, other.reason, other.kind)


def failure(path: str, reason: str, kind: str) -> ImageError:
    """An error of the image with this path."""
    return ImageError(f"image {path!r}: {reason}", image=path, reason=reason, kind=kind)


def decode(data: bytes, name: str) -> Image:
    """Decodes by Pillow, after a look at the number of pixels.

    Raises:
        ImportError: Pillow is not installed.
        ImageError: It claims too many pixels, or Pillow fails.
    """
    import PIL.Image

    import textbook_fast

    limit = textbook_fast.MAX_IMAGE_PIXELS
    try:
        with PIL.Image.open(io.BytesIO(data), formats=[name]) as image:
            width, height = image.size
            if limit is not None and width * height > limit:
                reason = (
                    f"it claims {width} x {height} pixels, more than the limit of {limit}: set "
                    "textbook_fast.MAX_IMAGE_PIXELS if the image is meant to be that large"
                )
                raise ImageError(reason, kind="too_many_pixels")
            return np.array(image.convert("RGB"))
    except PIL.Image.DecompressionBombError as error:
        reason = f"Pillow refuses its size: {error} (PIL.Image.MAX_IMAGE_PIXELS)"
        raise ImageError(reason, kind="too_many_pixels") from error
    except (OSError, SyntaxError, ValueError, EOFError) as error:
        if isinstance(error, ImageError):
            raise
        reason = f"this is a {name} image that Pillow cannot decode: {error}"
        raise ImageError(reason, kind="corrupt") from error
