"""JPEG bytes to RGB arrays, one thread, a fresh array each and a reused one each."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from peers import peer, pillow_decode, pillow_name
from pytest_benchmark.fixture import BenchmarkFixture

from textbook_fast import decode_jpeg, decode_jpegs
from textbook_fast.jpeg import Image

GROUPS = ("decode: a fresh array each", "decode: a reused array")


@pytest.fixture(scope="session")
def encoded(keyframe_files: list[Path], pytestconfig: pytest.Config) -> list[bytes]:
    """Keyframes: all of them where it counts, else a few."""
    files = keyframe_files if pytestconfig.getoption("--benchmark") else keyframe_files[:3]
    return [file.read_bytes() for file in files]


def run(
    benchmark: BenchmarkFixture, group: str, encoded: list[bytes], decode: Callable[[bytes], Any]
) -> None:
    """Times all files in turn, after comparing the pixels with Pillow's."""
    benchmark.group = group
    benchmark.extra_info["images"] = len(encoded)
    for data in encoded:
        ours: Image = decode(data)
        theirs = pillow_decode(data)
        assert ours.shape == theirs.shape
        assert np.abs(ours.astype(np.int16) - theirs).max() == 0, "other pixels than Pillow's"

    def all_of_them() -> None:
        for data in encoded:
            decode(data)

    benchmark(all_of_them)


def bench_decode_textbook_fast(benchmark: BenchmarkFixture, encoded: list[bytes]) -> None:
    run(benchmark, GROUPS[0], encoded, decode_jpeg)


def bench_decode_simplejpeg(benchmark: BenchmarkFixture, encoded: list[bytes]) -> None:
    run(benchmark, GROUPS[0], encoded, peer("simplejpeg").decode_jpeg)


def bench_decode_pillow(benchmark: BenchmarkFixture, encoded: list[bytes]) -> None:
    benchmark.extra_info["peer"] = pillow_name()
    run(benchmark, GROUPS[0], encoded, pillow_decode)


@pytest.mark.frameworks
def bench_decode_cv2(benchmark: BenchmarkFixture, encoded: list[bytes]) -> None:
    cv2 = peer("cv2")

    def decode(data: bytes) -> Any:
        flags = cv2.IMREAD_COLOR_RGB if hasattr(cv2, "IMREAD_COLOR_RGB") else cv2.IMREAD_COLOR
        return cv2.imdecode(np.frombuffer(data, np.uint8), flags)

    run(benchmark, GROUPS[0], encoded, decode)


def reused(encoded: list[bytes]) -> dict[tuple[int, ...], Image]:
    """An array for each shape."""
    return {image.shape: image for image in decode_jpegs(encoded)}


def bench_decode_reused_textbook_fast(benchmark: BenchmarkFixture, encoded: list[bytes]) -> None:
    arrays = reused(encoded)
    shapes = {data: decode_jpeg(data).shape for data in encoded}
    run(benchmark, GROUPS[1], encoded, lambda data: decode_jpeg(data, out=arrays[shapes[data]]))


def bench_decode_reused_simplejpeg(benchmark: BenchmarkFixture, encoded: list[bytes]) -> None:
    simplejpeg = peer("simplejpeg")
    arrays = reused(encoded)
    shapes = {data: decode_jpeg(data).shape for data in encoded}
    run(
        benchmark,
        GROUPS[1],
        encoded,
        lambda data: simplejpeg.decode_jpeg(data, buffer=arrays[shapes[data]]),
    )


@pytest.mark.parametrize("threads", [1, 2])
def bench_decode_jpegs_textbook_fast(
    benchmark: BenchmarkFixture, encoded: list[bytes], threads: int
) -> None:
    benchmark.group = "decode: many at once"
    batch = encoded[:32]
    benchmark.extra_info["images"] = len(batch)
    for ours, data in zip(decode_jpegs(batch, threads=threads), batch, strict=True):
        assert np.array_equal(ours, decode_jpeg(data))
    benchmark(lambda: decode_jpegs(batch, threads=threads))
