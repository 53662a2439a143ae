"""Images to a model's input on one thread: 1280 x 720 keyframes to (336, 336), bicubic."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from peers import peer, pillow_decode, pillow_name
from PIL import Image as PillowImage
from pytest_benchmark.fixture import BenchmarkFixture

from textbook_fast import ImageTransform, decode_jpeg
from textbook_fast.jpeg import Image

BYTES = "transform: an array to 336 x 336, uint8"
FLOATS = "transform: an array to 336 x 336, float32 CHW, normalized"
JPEG = "transform: a JPEG to 336 x 336, float32 CHW, normalized"
MEAN = (0.48145466, 0.4578275, 0.40821073)
STD = (0.26862954, 0.26130258, 0.27577711)
TO_BYTES = ImageTransform(size=336)
TO_FLOATS = ImageTransform(size=336, layout="CHW", dtype="float32", mean=MEAN, std=STD)
BICUBIC = PillowImage.Resampling.BICUBIC


@pytest.fixture(scope="session")
def encoded(keyframe_files: list[Path], pytestconfig: pytest.Config) -> list[bytes]:
    """Keyframes of 1280 x 720: 24 of them where it counts, else 2."""
    most = 24 if pytestconfig.getoption("--benchmark") else 2
    files = (file.read_bytes() for file in keyframe_files)
    found = [data for data in files if decode_jpeg(data).shape == (720, 1280, 3)]
    return found[:most]


@pytest.fixture(scope="session")
def arrays(encoded: list[bytes]) -> list[Image]:
    return [decode_jpeg(data) for data in encoded]


def normalize(pixels: Image) -> Any:
    """As it is written in NumPy."""
    values: Any = pixels.astype(np.float32) / np.float32(255)
    values = (values - np.array(MEAN, np.float32)) / np.array(STD, np.float32)
    return np.ascontiguousarray(values.transpose(2, 0, 1))


def pillow_resize(pixels: Image) -> Image:
    return np.asarray(PillowImage.fromarray(pixels).resize((336, 336), BICUBIC))


def run(
    benchmark: BenchmarkFixture,
    group: str,
    items: list[Any],
    make: Callable[[Any], Any],
    *,
    within: float = 0,
) -> None:
    """Times all items in turn, after comparing each with Pillow (levels, on average)."""
    benchmark.group = group
    benchmark.extra_info["images"] = len(items)
    for item in items:
        pixels = pillow_decode(item) if isinstance(item, bytes) else item
        expected = pillow_resize(pixels)
        if group != BYTES:
            expected = normalize(expected)
        made = np.asarray(make(item))
        if within:
            assert np.abs(made.astype(np.float64) - expected).mean() <= within
        else:
            assert made.dtype == expected.dtype
            assert made.tobytes() == expected.tobytes()

    def all_of_them() -> None:
        for item in items:
            make(item)

    benchmark(all_of_them)


def bench_bytes_textbook_fast(benchmark: BenchmarkFixture, arrays: list[Image]) -> None:
    run(benchmark, BYTES, arrays, TO_BYTES)


def bench_bytes_pillow(benchmark: BenchmarkFixture, arrays: list[Image]) -> None:
    benchmark.extra_info["peer"] = pillow_name()
    pictures = {id(pixels): PillowImage.fromarray(pixels) for pixels in arrays}
    run(
        benchmark,
        BYTES,
        arrays,
        lambda pixels: np.asarray(pictures[id(pixels)].resize((336, 336), BICUBIC)),
    )


@pytest.mark.frameworks
def bench_bytes_cv2_area(benchmark: BenchmarkFixture, arrays: list[Image]) -> None:
    cv2 = peer("cv2")
    cv2.setNumThreads(1)

    def resize(pixels: Image) -> Any:
        return cv2.resize(pixels, (336, 336), interpolation=cv2.INTER_AREA)

    run(benchmark, BYTES, arrays, resize, within=3)


@pytest.mark.frameworks
def bench_bytes_torchvision(benchmark: BenchmarkFixture, arrays: list[Image]) -> None:
    torch, transforms = peer("torch"), peer("torchvision.transforms.v2.functional")
    bicubic = peer("torchvision.transforms.v2").InterpolationMode.BICUBIC
    torch.set_num_threads(1)

    def resize(pixels: Image) -> Any:
        tensor = torch.from_numpy(pixels).permute(2, 0, 1)
        resized = transforms.resize(tensor, [336, 336], interpolation=bicubic, antialias=True)
        return resized.permute(1, 2, 0).numpy()

    run(benchmark, BYTES, arrays, resize, within=1)


def bench_floats_textbook_fast(benchmark: BenchmarkFixture, arrays: list[Image]) -> None:
    run(benchmark, FLOATS, arrays, TO_FLOATS)


def bench_floats_pillow_numpy(benchmark: BenchmarkFixture, arrays: list[Image]) -> None:
    benchmark.extra_info["peer"] = pillow_name()
    run(benchmark, FLOATS, arrays, lambda pixels: normalize(pillow_resize(pixels)))


def bench_jpeg_textbook_fast(benchmark: BenchmarkFixture, encoded: list[bytes]) -> None:
    run(benchmark, JPEG, encoded, TO_FLOATS.decode)


def bench_jpeg_textbook_fast_in_two_steps(
    benchmark: BenchmarkFixture, encoded: list[bytes]
) -> None:
    run(benchmark, JPEG, encoded, lambda data: TO_FLOATS(decode_jpeg(data)))


def bench_jpeg_pillow_numpy(benchmark: BenchmarkFixture, encoded: list[bytes]) -> None:
    benchmark.extra_info["peer"] = pillow_name()
    run(benchmark, JPEG, encoded, lambda data: normalize(pillow_resize(pillow_decode(data))))


def bench_jpeg_simplejpeg_pillow(benchmark: BenchmarkFixture, encoded: list[bytes]) -> None:
    decode = peer("simplejpeg").decode_jpeg
    run(benchmark, JPEG, encoded, lambda data: normalize(pillow_resize(decode(data))), within=0.01)
