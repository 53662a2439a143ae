"""What `decode_jpeg` can be asked for: smaller, gray, some rows, broken data filled; and headers.

The reference is Pillow's libjpeg-turbo: what `draft` sets gives its smaller sizes and
gray, and LOAD_TRUNCATED_IMAGES what it makes of broken data.
"""

from __future__ import annotations

import io
import random
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image as PillowImage
from PIL import ImageFile

from textbook_fast import (
    DamagedJpegWarning,
    JpegError,
    decode_jpeg,
    decode_jpegs,
    read_jpeg_header,
)
from textbook_fast.jpeg import Color, Image, Scale

SCALES: tuple[Scale, ...] = (1, 2, 4, 8)
COLORS: tuple[Color, ...] = ("rgb", "gray")
# (subsampling of Pillow, width, height)
SHAPES = [
    (sampling, width, height)
    for sampling in (0, 1, 2)
    for width, height in ((1, 1), (2, 9), (17, 16), (33, 31), (65, 40), (250, 131))
]


def picture(width: int, height: int, mode: str = "RGB") -> PillowImage.Image:
    rng = np.random.default_rng(width * 1000 + height)
    small = rng.integers(0, 256, (height // 8 + 2, width // 8 + 2, 3), dtype=np.uint8)
    return PillowImage.fromarray(small).resize((width, height)).convert(mode)


def encode(image: PillowImage.Image, **options: object) -> bytes:
    out = io.BytesIO()
    image.save(out, "JPEG", **options)
    return out.getvalue()


def scaled(data: bytes, color: Color, scale: int) -> Image:
    """What libjpeg-turbo makes of it, by what `draft` would set: it leaves tiny ones alone."""
    image: Any = PillowImage.open(io.BytesIO(data))
    name, box, offset, (mode, rest) = image.tile[0]
    size = -(-image.width // scale), -(-image.height // scale)
    if color == "gray" and image.mode == "RGB" and mode == "RGB":
        image._mode = mode = "L"
    image._size = size
    image.tile = [image.tile[0]._replace(extents=(0, 0, *size), args=(mode, rest))]
    image.decoderconfig = (scale, 0)
    assert (name, box[:2]) == ("jpeg", (0, 0))
    assert offset >= 0
    return np.asarray(image.convert("L" if color == "gray" else "RGB"))


@pytest.mark.parametrize("scale", SCALES)
@pytest.mark.parametrize("color", COLORS)
@pytest.mark.parametrize("progressive", [False, True])
def test_smaller_and_gray_pixels_are_libjpeg_turbos(
    scale: Scale, color: Color, *, progressive: bool
) -> None:
    for sampling, width, height in SHAPES:
        for quality in (30, 97):
            data = encode(
                picture(width, height),
                quality=quality,
                subsampling=sampling,
                progressive=progressive,
            )
            ours = decode_jpeg(data, color=color, scale=scale)
            theirs = scaled(data, color, scale)
            assert np.array_equal(ours, theirs), (sampling, width, height, quality)


@pytest.mark.parametrize("mode", ["L", "CMYK", "RGB"])
def test_other_colors_at_every_scale(mode: str) -> None:
    for width, height in ((1, 1), (33, 18)):
        data = encode(picture(width, height, mode), keep_rgb=True, quality=90)
        assert read_jpeg_header(data).color_space == {"L": "gray"}.get(mode, mode.lower())
        for scale in SCALES:
            for color in COLORS:
                ours = decode_jpeg(data, color=color, scale=scale)
                assert ours.shape[2:] == (() if color == "gray" else (3,))
                assert np.array_equal(ours, scaled(data, color, scale))


def test_keyframes_at_every_scale(keyframe_files: list[Path]) -> None:
    data = [path.read_bytes() for path in keyframe_files[::31]]
    for color in COLORS:
        for scale in SCALES:
            images = decode_jpegs(data, color=color, scale=scale)
            for ours, encoded in zip(images, data, strict=True):
                assert np.array_equal(ours, scaled(encoded, color, scale))
                out = np.full_like(ours, 0x5A)
                assert decode_jpeg(encoded, color=color, scale=scale, out=out) is out
                assert np.array_equal(out, ours)


def test_some_rows_are_a_slice() -> None:
    data = encode(picture(70, 133), subsampling=2)
    for color in COLORS:
        for scale in SCALES:
            whole = decode_jpeg(data, color=color, scale=scale)
            for rows in ((0, 1), (0, 500), (15, 17), (16, 48), (7, 7), (200, 300)):
                part = decode_jpeg(data, color=color, scale=scale, rows=rows)
                assert np.array_equal(part, whole[slice(*rows)])
    with pytest.raises(JpegError, match="cut"):
        decode_jpeg(data[:-300], rows=(0, 8))


def test_unknown_choices_are_answered_with_the_known_ones() -> None:
    data = encode(picture(8, 8))
    choices: tuple[tuple[dict[str, Any], str], ...] = (
        ({"color": "red"}, "'rgb' or 'gray', not 'red'"),
        ({"scale": 3}, "1, 2, 4 or 8, not 3"),
        ({"scale": True}, "1, 2, 4 or 8, not True"),
        ({"truncated": "drop"}, "'raise' or 'fill', not 'drop'"),
    )
    for options, words in choices:
        with pytest.raises(ValueError, match=words):
            decode_jpeg(data, **options)
        with pytest.raises(ValueError, match=words):
            decode_jpegs([data], **options)
    for rows in ((-1, 3), (4, 3)):
        with pytest.raises(ValueError, match="rows must be"):
            decode_jpeg(data, rows=rows)
    with pytest.raises(ValueError, match=r"shape \(8, 8, 3\), the image needs \(4, 4\)"):
        decode_jpeg(data, color="gray", scale=2, out=np.zeros((8, 8, 3), np.uint8))


@pytest.fixture
def truncated_images() -> Iterator[None]:
    ImageFile.LOAD_TRUNCATED_IMAGES = True
    yield
    ImageFile.LOAD_TRUNCATED_IMAGES = False


def filled(data: bytes) -> Image:
    """Ours, of broken data."""
    with pytest.warns(DamagedJpegWarning, match="what is missing was filled"):
        return decode_jpeg(data, truncated="fill")


@pytest.mark.usefixtures("truncated_images")
@pytest.mark.parametrize("kind", ["baseline", "restarts", "progressive", "gray"])
def test_a_cut_file_is_filled_as_pillow_does(kind: str) -> None:
    options: dict[str, dict[str, object]] = {
        "baseline": {"subsampling": 2},
        "restarts": {"subsampling": 1, "restart_marker_blocks": 3},
        "progressive": {"progressive": True, "subsampling": 2},
        "gray": {},
    }
    image = picture(150, 117, "L" if kind == "gray" else "RGB")
    data = encode(image, quality=85, **options[kind])
    start = data.index(b"\xff\xda") + 20
    rng = random.Random(3)
    compared = 0
    for length in (*rng.sample(range(start, len(data) - 2), 60), len(data) - 2, len(data) - 1):
        cut = data[:length]
        if cut.rfind(b"\xff") >= length - 80 and kind == "progressive":
            # Perhaps in the middle of a table: there, Pillow gives a black picture.
            continue
        theirs = np.asarray(PillowImage.open(io.BytesIO(cut)).convert("RGB"))
        assert np.array_equal(filled(cut), theirs), length
        compared += 1
    assert compared > 20
    for scale in SCALES:
        with pytest.warns(DamagedJpegWarning):
            small = decode_jpeg(data[: len(data) // 2], scale=scale, truncated="fill")
        theirs = scaled(data[: len(data) // 2], "rgb", scale)
        assert np.array_equal(small, theirs)


@pytest.mark.usefixtures("truncated_images")
@pytest.mark.parametrize("kind", ["baseline", "restarts", "progressive"])
def test_broken_data_is_filled_as_pillow_does(kind: str) -> None:
    options: dict[str, dict[str, object]] = {
        "baseline": {"subsampling": 2},
        "restarts": {"subsampling": 2, "restart_marker_blocks": 2},
        "progressive": {"progressive": True, "subsampling": 1},
    }
    data = encode(picture(90, 75), quality=80, **options[kind])
    start = data.index(b"\xff\xda") + 14
    rng = random.Random(7)
    compared = 0
    for _ in range(150):
        broken = bytearray(data)
        for _ in range(rng.randint(1, 3)):
            # Bits of coded data; no new markers, no end.
            at = rng.randrange(start, len(data) - 2)
            if 0xFF in data[at - 1 : at + 2] or 0xDA in data[max(at - 14, 0) : at]:
                continue
            broken[at] ^= 1 << rng.randrange(7)
        if 0xFF in {a for a, b in zip(broken, data, strict=True) if a != b}:
            continue
        try:
            theirs = np.asarray(PillowImage.open(io.BytesIO(bytes(broken))).convert("RGB"))
        except OSError:
            continue
        if not theirs.any():
            # A broken table, which ends it: Pillow gives a black picture.
            continue
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DamagedJpegWarning)
            ours = decode_jpeg(bytes(broken), truncated="fill")
        assert np.array_equal(ours, theirs)
        compared += 1
    assert compared > 60


def test_what_cannot_be_filled_is_an_error() -> None:
    data = encode(picture(40, 40))
    scan = data.index(b"\xff\xda")
    for broken in (b"", b"hello", data[:scan], data[: scan + 4]):
        with pytest.raises(JpegError):
            decode_jpeg(broken, truncated="fill")
    arithmetic = data.replace(b"\xff\xc0", b"\xff\xc9")
    with pytest.raises(JpegError, match="arithmetic"):
        decode_jpeg(arithmetic, truncated="fill")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert np.array_equal(decode_jpeg(data, truncated="fill"), decode_jpeg(data))


def test_the_warning_says_what_and_where() -> None:
    data = encode(picture(40, 40))
    with pytest.warns(DamagedJpegWarning) as caught:
        images = decode_jpegs([data, data[:-30], b"?"], truncated="fill", on_error="mark")
    (warning,) = caught
    assert isinstance(warning.message, DamagedJpegWarning)
    assert warning.filename == __file__
    found = warning.message
    assert (found.kind, found.offset, found.index) == ("truncated", len(data) - 30, 1)
    assert isinstance(images[2], JpegError)
    with warnings.catch_warnings():
        warnings.simplefilter("error", DamagedJpegWarning)
        with pytest.raises(DamagedJpegWarning, match="cut"):
            decode_jpeg(data[:-30], truncated="fill")


def test_headers(keyframe_files: list[Path]) -> None:
    data = keyframe_files[0].read_bytes()
    header = read_jpeg_header(data)
    height, width, _ = decode_jpeg(data).shape
    assert (header.width, header.height, header.components) == (width, height, 3)
    assert header.sampling == ((2, 2), (1, 1), (1, 1))
    assert (header.progressive, header.restart_interval, header.orientation) == (False, 0, None)
    exif = PillowImage.Exif()
    exif[0x0112] = 6
    other = encode(
        picture(30, 20, "CMYK"),
        progressive=True,
        restart_marker_blocks=7,
        exif=exif,
        comment=b"said",
    )
    assert read_jpeg_header(other[: other.index(b"\xff\xda") + 20]) == read_jpeg_header(other)
    header = read_jpeg_header(other)
    assert (header.color_space, header.components, header.progressive) == ("cmyk", 4, True)
    assert (header.restart_interval, header.orientation, header.comment) == (7, 6, b"said")
    with pytest.raises(JpegError, match="PNG"):
        read_jpeg_header(b"\x89PNG\r\n\x1a\n")
