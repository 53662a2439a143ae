"""Images inside of a page: as data URIs, small ones or the files as they are."""

from __future__ import annotations

import base64
from typing import Literal

from textbook_fast import _core
from textbook_fast.errors import ImageError, TextbookError
from textbook_fast.sample import Sample
from textbook_fast.viewer.sample_html import Shown

__all__ = ["Embedded", "media_type", "thumbnail"]

THUMBNAIL_PIXELS = 480
SIGNATURES = (
    (b"\xff\xd8\xff", "image/jpeg"),
    (b"\x89PNG\r\n\x1a\n", "image/png"),
    (b"GIF8", "image/gif"),
)


def media_type(data: bytes) -> str | None:
    """What a browser may take for an image, by the file's first bytes; else None."""
    for signature, name in SIGNATURES:
        if data.startswith(signature):
            return name
    is_webp = data[:4] == b"RIFF" and data[8:12] == b"WEBP"
    return "image/webp" if is_webp else None


def thumbnail(data: bytes, pixels: int = THUMBNAIL_PIXELS) -> bytes:
    """A JPEG of at most `pixels` in width and height; the file itself where it is no JPEG
    that can be decoded, but another image.

    Raises:
        JpegError: It is neither.
    """
    try:
        return _core.make_thumbnail(data, pixels, pixels)
    except TextbookError:
        if media_type(data) in {None, "image/jpeg"}:
            raise
        return data


class Embedded:
    """Shows images as data URIs until they have a number of bytes together."""

    def __init__(self, *, limit: int | None, size: Literal["thumbnail", "file"]) -> None:
        """Embeds at most `limit` bytes of HTML, or all for None."""
        self._left = limit
        self._limit = limit
        self._size = size

    def __call__(self, sample: Sample, k: int) -> Shown:
        """The image at position `k`."""
        if self._left is not None and self._left <= 0:
            return self._too_much()
        try:
            data = sample.image_bytes(k) or b""
            if self._size == "thumbnail":
                data = thumbnail(data)
        except ImageError as error:
            return Shown(None, error.reason)
        except TextbookError as error:
            return Shown(None, str(error))
        kind = media_type(data)
        if kind is None:
            return Shown(None, "it is no image that a browser shows")
        url = f"data:{kind};base64,{base64.b64encode(data).decode()}"
        if self._left is not None:
            if len(url) > self._left:
                self._left = 0
                return self._too_much()
            self._left -= len(url)
        return Shown(url)

    def _too_much(self) -> Shown:
        return Shown(None, f"the images shown have {(self._limit or 0) / 1e6:.0f} MB already")
