"""JPEG bytes to NumPy arrays, one by one or many in parallel, and what a header says."""

from __future__ import annotations

import warnings
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal, TypeAlias, overload

import numpy as np
from numpy.typing import NDArray

from textbook_fast import _core
from textbook_fast.errors import DamagedJpegWarning, JpegError
from textbook_fast.threads import check_threads, choose_threads

__all__ = [
    "BytesLike",
    "Color",
    "ColorSpace",
    "Image",
    "JpegHeader",
    "OnError",
    "Scale",
    "Truncated",
    "decode_jpeg",
    "decode_jpegs",
    "read_jpeg_header",
]

Image: TypeAlias = NDArray[np.uint8]
"""uint8 of shape (height, width, 3), 0 to 255, RGB, C-contiguous."""

BytesLike: TypeAlias = bytes | bytearray | memoryview | NDArray[np.uint8]
"""Contiguous bytes."""

Color: TypeAlias = Literal["rgb", "gray"]
"""The colors of a result."""

Scale: TypeAlias = Literal[1, 2, 4, 8]
"""By how much a result is smaller."""

Truncated: TypeAlias = Literal["raise", "fill"]
"""What is done about a file that is cut or broken after its header."""

ColorSpace: TypeAlias = Literal["gray", "ycbcr", "rgb", "cmyk", "ycck"]
"""What the components of a file mean."""

OnError: TypeAlias = Literal["raise", "mark"]
"""What is done about an image that cannot be had."""


def check_on_error(on_error: str) -> OnError:
    """The argument, if it is a known choice."""
    if on_error not in {"raise", "mark"}:
        raise ValueError(f"on_error must be 'raise' or 'mark', not {on_error!r}")
    return on_error  # type: ignore[return-value]


def check_choices(color: str, scale: int, truncated: str) -> None:
    """Makes sure that the arguments are known choices."""
    if color not in {"rgb", "gray"}:
        raise ValueError(f"color must be 'rgb' or 'gray', not {color!r}")
    if isinstance(scale, bool) or scale not in {1, 2, 4, 8}:
        raise ValueError(f"scale must be 1, 2, 4 or 8, not {scale!r}")
    check_truncated(truncated)


def check_truncated(truncated: str) -> Truncated:
    """The argument, if it is a known choice."""
    if truncated not in {"raise", "fill"}:
        raise ValueError(f"truncated must be 'raise' or 'fill', not {truncated!r}")
    return truncated  # type: ignore[return-value]


def check_rows(rows: tuple[int, int] | None) -> tuple[int, int] | None:
    """The argument, if it is a range of rows."""
    if rows is None:
        return None
    start, end = rows
    if not 0 <= start <= end:
        raise ValueError(f"rows must be (first, end) with 0 <= first <= end, not {rows!r}")
    return start, min(end, 1 << 16)


def warn_of(error: JpegError, stacklevel: int) -> None:
    """Warns that a picture was made of broken data."""
    warning = DamagedJpegWarning(
        f"{error.message}: what is missing was filled",
        kind=error.kind,
        offset=error.offset,
        index=error.index,
    )
    warnings.warn(warning, stacklevel=stacklevel + 1)


def decode_jpeg(
    data: BytesLike,
    *,
    color: Color = "rgb",
    scale: Scale = 1,
    rows: tuple[int, int] | None = None,
    out: Image | None = None,
    truncated: Truncated = "raise",
) -> Image:
    """Decodes one JPEG into a uint8 array of shape (height, width, 3), RGB.

    The pixels are those of libjpeg-turbo 3.2.0 with its defaults, to the last bit. Baseline,
    extended and progressive Huffman coding, 8 bit, in gray, YCbCr, RGB, CMYK and YCCK. The
    orientation of EXIF is not applied. The GIL is released while it decodes. For many images
    `decode_jpegs` is faster: it decodes them in parallel.

    Args:
        data: The bytes of the file.
        color: ``"rgb"``; or ``"gray"`` for an array of shape (height, width): the luma that
            a YCbCr file stores (its colors are not even decoded), and
            0.299 R + 0.587 G + 0.114 B of other files.
        scale: 2, 4 or 8 for a half, a quarter or an eighth of the width and height, rounded
            up. What is left out is left out before the transform, so it costs less.
        rows: Only the rows from the first of these to before the second one, counted in the
            result; as of a slice, rows that do not exist are left out. The file is read
            to its end all the same, and may turn out to be broken there.
        out: An array to write to and return: uint8, C-contiguous, writable, of
            exactly the image's shape. After an error its content is unspecified.
        truncated: ``"raise"`` raises an error for a file that is cut or broken anywhere;
            ``"fill"`` makes an image of what can be read, as libjpeg-turbo and Pillow with
            LOAD_TRUNCATED_IMAGES do (what is missing is gray, or less sharp), and warns.

    Warns:
        DamagedJpegWarning: With ``truncated="fill"``, the file is cut or broken.

    Raises:
        JpegError: The bytes are no JPEG, or a broken, cut or unsupported one, or
            claim more than `textbook_fast.MAX_IMAGE_PIXELS` pixels.
        ValueError: `out` has another shape or is not contiguous; an unknown choice.
        TypeError: `data` is not bytes-like.
    """
    check_choices(color, scale, truncated)
    image, error = _core.decode_jpeg(data, color, scale, check_rows(rows), truncated, out)
    if error is not None:
        warn_of(error, stacklevel=2)
    return image


@overload
def decode_jpegs(
    data: Iterable[BytesLike],
    *,
    color: Color = "rgb",
    scale: Scale = 1,
    truncated: Truncated = "raise",
    threads: int | None = None,
    on_error: Literal["raise"] = "raise",
) -> list[Image]: ...
@overload
def decode_jpegs(
    data: Iterable[BytesLike],
    *,
    color: Color = "rgb",
    scale: Scale = 1,
    truncated: Truncated = "raise",
    threads: int | None = None,
    on_error: Literal["mark"],
) -> list[Image | JpegError]: ...
def decode_jpegs(
    data: Iterable[BytesLike],
    *,
    color: Color = "rgb",
    scale: Scale = 1,
    truncated: Truncated = "raise",
    threads: int | None = None,
    on_error: OnError = "raise",
) -> list[Image] | list[Image | JpegError]:
    """Decodes JPEGs in parallel into a list of arrays as of `decode_jpeg`, in order.

    Args:
        data: The bytes of each file.
        color: As of `decode_jpeg`.
        scale: As of `decode_jpeg`.
        truncated: As of `decode_jpeg`; each image that is filled gives a warning, whose
            attribute ``index`` says which it is.
        threads: How many threads; None means what the process may use.
        on_error: ``"raise"`` raises the first error (its attribute ``index`` says
            of which image); ``"mark"`` puts a falsy `JpegError` in the image's place.

    Warns:
        DamagedJpegWarning: As of `decode_jpeg`.

    Raises:
        JpegError: As of `decode_jpeg`, with ``on_error="raise"``.
    """
    check_on_error(on_error)
    check_choices(color, scale, truncated)
    count = choose_threads(check_threads(threads))[0]
    results: list[Image | JpegError] = []
    for image, error in _core.decode_jpegs(list(data), color, scale, truncated, count):
        if image is not None:
            if error is not None:
                warn_of(error, stacklevel=2)
            results.append(image)
        elif error is not None:
            if on_error == "raise":
                raise error
            results.append(error)
    return results


@dataclass(frozen=True, slots=True)
class JpegHeader:
    """What a JPEG file says of itself before its pixels.

    Attributes:
        width: Pixels in a row.
        height: Rows.
        components: How many there are: 1, 3 or 4.
        color_space: What they mean.
        sampling: The horizontal and vertical sampling factor of each component;
            ``((2, 2), (1, 1), (1, 1))`` is 4:2:0.
        progressive: Whether it is coded in several scans, each adding detail.
        restart_interval: MCUs between two restart markers, 0 for none.
        orientation: That of EXIF, 1 to 8 (1 is upright), or None.
        comment: The bytes of the first comment, or None.
    """

    width: int
    height: int
    components: int
    color_space: ColorSpace
    sampling: tuple[tuple[int, int], ...]
    progressive: bool
    restart_interval: int
    orientation: int | None
    comment: bytes | None


def read_jpeg_header(data: BytesLike) -> JpegHeader:
    """Reads what a JPEG says of itself, without decoding: some microseconds.

    Nothing behind the first scan's header is looked at, so the first bytes of a file do,
    and a file that is cut later on is no error.

    Raises:
        JpegError: The bytes are no JPEG, or broken or cut before the first scan, or of a
            coding that is not supported.
        TypeError: `data` is not bytes-like.
    """
    width, height, color_space, sampling, progressive, interval, orientation, comment = (
        _core.read_jpeg_header(data)
    )
    return JpegHeader(
        width,
        height,
        len(sampling),
        color_space,
        sampling,
        progressive,
        interval,
        orientation,
        comment,
    )
