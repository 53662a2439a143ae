"""JPEG bytes to NumPy arrays, one by one or many in parallel."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Literal, TypeAlias, overload

import numpy as np
from numpy.typing import NDArray

from textbook_fast import _core
from textbook_fast.errors import JpegError
from textbook_fast.threads import check_threads, choose_threads

__all__ = ["BytesLike", "Image", "OnError", "decode_jpeg", "decode_jpegs"]

Image: TypeAlias = NDArray[np.uint8]
"""uint8 of shape (height, width, 3), 0 to 255, RGB, C-contiguous."""

BytesLike: TypeAlias = bytes | bytearray | memoryview | NDArray[np.uint8]
"""Contiguous bytes."""

OnError: TypeAlias = Literal["raise", "mark"]
"""What is done about an image that cannot be had."""


def check_on_error(on_error: str) -> OnError:
    """The argument, if it is a known choice."""
    if on_error not in {"raise", "mark"}:
        raise ValueError(f"on_error must be 'raise' or 'mark', not {on_error!r}")
    return on_error  # type: ignore[return-value]


def decode_jpeg(data: BytesLike, out: Image | None = None) -> Image:
    """Decodes one JPEG into a uint8 array of shape (height, width, 3), RGB.

    The GIL is released while it decodes. For many images `decode_jpegs` is faster:
    it decodes them in parallel.

    Args:
        data: The bytes of the file.
        out: An array to write to and return: uint8, C-contiguous, writable, of
            exactly the image's shape. After an error its content is unspecified.

    Raises:
        JpegError: The bytes are no JPEG, or a broken, cut or unsupported one, or
            claim more than `textbook_fast.MAX_IMAGE_PIXELS` pixels.
        ValueError: `out` has another shape or is not contiguous.
        TypeError: `data` is not bytes-like.
    """
    return _core.decode_jpeg(data, out)


@overload
def decode_jpegs(
    data: Iterable[BytesLike], *, threads: int | None = None, on_error: Literal["raise"] = "raise"
) -> list[Image]: ...
@overload
def decode_jpegs(
    data: Iterable[BytesLike], *, threads: int | None = None, on_error: Literal["mark"]
) -> list[Image | JpegError]: ...
def decode_jpegs(
    data: Iterable[BytesLike], *, threads: int | None = None, on_error: OnError = "raise"
) -> list[Image] | list[Image | JpegError]:
    """Decodes JPEGs in parallel into a list of arrays as of `decode_jpeg`, in order.

    Args:
        data: The bytes of each file.
        threads: How many threads; None means what the process may use.
        on_error: ``"raise"`` raises the first error (its attribute ``index`` says
            of which image); ``"mark"`` puts a falsy `JpegError` in the image's place.

    Raises:
        JpegError: As of `decode_jpeg`, with ``on_error="raise"``.
    """
    check_on_error(on_error)
    results = _core.decode_jpegs(list(data), choose_threads(check_threads(threads))[0])
    if on_error == "raise":
        for result in results:
            if isinstance(result, JpegError):
                raise result
    return results
