"""Decoding JPEG bytes: pixels beside Pillow's, memory, limits, broken data."""

from __future__ import annotations

import gc
import io
import random
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from PIL import Image as PillowImage

import textbook_fast
from textbook_fast import JpegError, decode_jpeg, decode_jpegs
from textbook_fast.jpeg import Image


def pillow(data: bytes) -> Image:
    return np.asarray(PillowImage.open(io.BytesIO(data)).convert("RGB"))


def assert_equal(ours: Image, theirs: Image) -> None:
    assert ours.shape == theirs.shape
    assert np.array_equal(ours, theirs)


def encode(image: PillowImage.Image, **options: object) -> bytes:
    out = io.BytesIO()
    image.save(out, "JPEG", **options)
    return out.getvalue()


def noise(width: int, height: int, mode: str = "RGB") -> PillowImage.Image:
    rng = np.random.default_rng(width * 1000 + height)
    small = rng.integers(0, 256, (height // 8 + 2, width // 8 + 2, 3), dtype=np.uint8)
    return PillowImage.fromarray(small).resize((width, height)).convert(mode)


@pytest.fixture
def keyframe(keyframe_files: list[Path]) -> bytes:
    return keyframe_files[0].read_bytes()


def test_keyframes_are_pillows(keyframe_files: list[Path]) -> None:
    data = [path.read_bytes() for path in keyframe_files[::5]]
    for ours, encoded in zip(decode_jpegs(data), data, strict=True):
        assert_equal(ours, pillow(encoded))


@pytest.mark.parametrize("mode", ["RGB", "L", "CMYK"])
@pytest.mark.parametrize("subsampling", [0, 1, 2])
@pytest.mark.parametrize("progressive", [False, True])
def test_other_jpegs_are_pillows(mode: str, subsampling: int, *, progressive: bool) -> None:
    for width, height in ((1, 1), (7, 9), (16, 16), (33, 17), (250, 130)):
        image = noise(width, height, mode)
        data = encode(image, quality=92, subsampling=subsampling, progressive=progressive)
        assert_equal(decode_jpeg(data), pillow(data))


def test_bytes_like_data(keyframe: bytes) -> None:
    expected = decode_jpeg(keyframe)
    view = np.frombuffer(keyframe, dtype=np.uint8)
    for data in (bytearray(keyframe), memoryview(keyframe), view):
        assert np.array_equal(decode_jpeg(data), expected)
    for wrong in ("text", None, 7, [1, 2], np.zeros(4, dtype=np.float32)):
        with pytest.raises(TypeError, match="bytes-like"):
            decode_jpeg(wrong)  # type: ignore[arg-type]


def test_out_is_filled_and_returned(keyframe: bytes) -> None:
    expected = decode_jpeg(keyframe)
    out = np.zeros_like(expected)
    assert decode_jpeg(keyframe, out=out) is out
    assert np.array_equal(out, expected)
    height, width, _ = expected.shape
    with pytest.raises(ValueError, match="the image needs"):
        decode_jpeg(keyframe, out=np.zeros((height, width - 1, 3), dtype=np.uint8))
    with pytest.raises(ValueError, match="C-contiguous"):
        decode_jpeg(keyframe, out=np.zeros((height, width * 2, 3), dtype=np.uint8)[:, ::2])
    with pytest.raises(TypeError, match="uint8"):
        decode_jpeg(keyframe, out=np.zeros((height, width, 3)))  # type: ignore[arg-type]
    out.flags.writeable = False
    with pytest.raises(ValueError, match="writable"):
        decode_jpeg(keyframe, out=out)


def test_memory_is_used_again_and_never_shared(keyframe: bytes) -> None:
    first = decode_jpeg(keyframe)
    kept = first.copy()
    place = first.ctypes.data
    second = decode_jpeg(keyframe)
    assert second.ctypes.data != place
    second[:] = 0
    assert np.array_equal(first, kept)
    view = first[10:20]
    del first
    gc.collect()
    third = decode_jpeg(keyframe)
    assert third.ctypes.data != place, "a view still needs the memory"
    assert np.array_equal(view, kept[10:20])
    del view
    gc.collect()
    assert decode_jpeg(keyframe).ctypes.data == place


def test_a_real_keyframe_cut_at_twenty_places_is_an_error(keyframe: bytes) -> None:
    places = [1 + k * (len(keyframe) - 2) // 19 for k in range(20)]
    assert places[-1] == len(keyframe) - 1
    for place in places:
        with pytest.raises(JpegError, match="cut") as caught:
            decode_jpeg(keyframe[:place])
        assert (caught.value.kind, caught.value.offset) == ("truncated", place)


def test_what_is_no_jpeg_is_named(keyframe: bytes) -> None:
    png = io.BytesIO()
    noise(8, 8).save(png, "PNG")
    webp = io.BytesIO()
    noise(8, 8).save(webp, "WEBP")
    for data, kind, words in (
        (b"", "empty", "0 bytes"),
        (png.getvalue(), "not_jpeg", "PNG"),
        (webp.getvalue(), "not_jpeg", "WebP"),
        (b"hello", "not_jpeg", "hello"),
        (keyframe[:2], "truncated", "cut"),
    ):
        with pytest.raises(JpegError, match=words) as caught:
            decode_jpeg(data)
        assert caught.value.kind == kind


@pytest.fixture
def pixel_limit() -> Iterator[None]:
    before = textbook_fast.MAX_IMAGE_PIXELS
    yield
    textbook_fast.MAX_IMAGE_PIXELS = before


@pytest.mark.usefixtures("pixel_limit")
def test_the_pixel_limit(keyframe: bytes) -> None:
    frame = keyframe.index(b"\xff\xc0")
    huge = keyframe[: frame + 5] + b"\xff\xff\xff\xff" + keyframe[frame + 9 :]
    with pytest.raises(JpegError, match="65535 x 65535 pixels, more than the limit") as caught:
        decode_jpeg(huge)
    assert caught.value.kind == "too_many_pixels"
    textbook_fast.MAX_IMAGE_PIXELS = 1000
    with pytest.raises(JpegError, match="limit of 1000"):
        decode_jpeg(keyframe)
    textbook_fast.MAX_IMAGE_PIXELS = None
    assert decode_jpeg(keyframe).size
    textbook_fast.MAX_IMAGE_PIXELS = "many"  # type: ignore[assignment]
    with pytest.raises(TypeError, match="MAX_IMAGE_PIXELS"):
        decode_jpeg(keyframe)


def test_many_are_in_order_with_one_error_each(keyframe_files: list[Path]) -> None:
    data = [path.read_bytes() for path in keyframe_files[:12]]
    expected = [decode_jpeg(encoded) for encoded in data]
    data[3] = data[3][:-10]
    data[7] = b"nothing"
    for threads in (1, 2, 5, None):
        results = decode_jpegs(data, threads=threads, on_error="mark")
        for k, (result, image) in enumerate(zip(results, expected, strict=True)):
            if k in {3, 7}:
                assert isinstance(result, JpegError)
                assert (not result, result.index) == (True, k)
            else:
                assert np.array_equal(result, image)  # type: ignore[arg-type]
        with pytest.raises(JpegError, match="image 3"):
            decode_jpegs(data, threads=threads)
    assert decode_jpegs([]) == []
    with pytest.raises(ValueError, match="threads"):
        decode_jpegs(data, threads=0)


def test_mutated_keyframes_never_crash(keyframe_files: list[Path]) -> None:
    rng = random.Random(5)
    refused = 0
    for _ in range(60):
        data = bytearray(rng.choice(keyframe_files).read_bytes())
        for _ in range(rng.randint(1, 20)):
            data[rng.randrange(len(data) // 2 if rng.random() < 0.5 else 700)] = rng.randrange(256)
        (result,) = decode_jpegs([bytes(data)], on_error="mark")
        refused += isinstance(result, JpegError)
    assert refused > 10
