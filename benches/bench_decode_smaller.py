"""JPEG bytes to smaller and to gray arrays, and progressive files, one thread, fresh arrays."""

from __future__ import annotations

import io
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from peers import peer, pillow_name
from pytest_benchmark.fixture import BenchmarkFixture

from textbook_fast import decode_jpeg
from textbook_fast.jpeg import Color, Scale

# Colors and by how much smaller.
KINDS: tuple[tuple[Color, Scale], ...] = (("rgb", 2), ("rgb", 4), ("rgb", 8), ("gray", 1))


@pytest.fixture(scope="session")
def encoded(keyframe_files: list[Path], pytestconfig: pytest.Config) -> list[bytes]:
    """Keyframes: a quarter of them where it counts, else a few."""
    files = keyframe_files[::4] if pytestconfig.getoption("--benchmark") else keyframe_files[:2]
    return [file.read_bytes() for file in files]


@pytest.fixture(scope="session")
def progressive(encoded: list[bytes]) -> list[bytes]:
    """The same pictures, coded anew as progressive files."""
    from PIL import Image as PillowImage

    found = []
    for data in encoded:
        out = io.BytesIO()
        PillowImage.open(io.BytesIO(data)).save(out, "JPEG", quality=90, progressive=True)
        found.append(out.getvalue())
    return found


def run(
    benchmark: BenchmarkFixture,
    group: str,
    encoded: list[bytes],
    decode: Callable[[bytes], Any],
    expected: Callable[[bytes], Any],
) -> None:
    """Times all files in turn, after comparing the pixels with ours."""
    benchmark.group = group
    benchmark.extra_info["images"] = len(encoded)
    for data in encoded:
        assert np.array_equal(np.squeeze(decode(data)), expected(data)), "other pixels"

    def all_of_them() -> None:
        for data in encoded:
            decode(data)

    benchmark(all_of_them)


def ours(color: Color, scale: Scale) -> Callable[[bytes], Any]:
    return lambda data: decode_jpeg(data, color=color, scale=scale)


def name(color: Color, scale: Scale) -> str:
    return f"decode: {color}, 1/{scale} of the size"


@pytest.mark.parametrize(("color", "scale"), KINDS)
def bench_smaller_textbook_fast(
    benchmark: BenchmarkFixture, encoded: list[bytes], color: Color, scale: Scale
) -> None:
    decode = ours(color, scale)
    run(benchmark, name(color, scale), encoded, decode, decode)


@pytest.mark.parametrize(("color", "scale"), KINDS)
def bench_smaller_simplejpeg(
    benchmark: BenchmarkFixture, encoded: list[bytes], color: Color, scale: Scale
) -> None:
    simplejpeg = peer("simplejpeg")

    def decode(data: bytes) -> Any:
        height, width, *_ = simplejpeg.decode_jpeg_header(data)
        return simplejpeg.decode_jpeg(
            data,
            colorspace=color.upper(),
            min_height=-(-height // scale),
            min_width=-(-width // scale),
        )

    run(benchmark, name(color, scale), encoded, decode, ours(color, scale))


@pytest.mark.parametrize(("color", "scale"), KINDS)
def bench_smaller_pillow(
    benchmark: BenchmarkFixture, encoded: list[bytes], color: Color, scale: Scale
) -> None:
    from PIL import Image as PillowImage

    benchmark.extra_info["peer"] = pillow_name()

    def decode(data: bytes) -> Any:
        image = PillowImage.open(io.BytesIO(data))
        image.draft(
            "L" if color == "gray" else "RGB", (image.width // scale, image.height // scale)
        )
        return np.asarray(image)

    run(benchmark, name(color, scale), encoded, decode, ours(color, scale))


def bench_progressive_textbook_fast(benchmark: BenchmarkFixture, progressive: list[bytes]) -> None:
    run(benchmark, "decode: progressive", progressive, decode_jpeg, decode_jpeg)


def bench_progressive_simplejpeg(benchmark: BenchmarkFixture, progressive: list[bytes]) -> None:
    decode = peer("simplejpeg").decode_jpeg
    run(benchmark, "decode: progressive", progressive, decode, decode_jpeg)


def bench_progressive_pillow(benchmark: BenchmarkFixture, progressive: list[bytes]) -> None:
    from PIL import Image as PillowImage

    benchmark.extra_info["peer"] = pillow_name()

    def decode(data: bytes) -> Any:
        return np.asarray(PillowImage.open(io.BytesIO(data)))

    run(benchmark, "decode: progressive", progressive, decode, decode_jpeg)
