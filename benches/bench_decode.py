"""JPEG bytes to arrays, one thread, by what is asked for; and many at once.

For ratios take `compare_decode.py`, which takes the decoders in turns.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from decoders import GROUPS, difference
from peers import pillow_name
from pytest_benchmark.fixture import BenchmarkFixture

from textbook_fast import decode_jpegs

# Of the frameworks' environment; the others are in the `test` extra.
FRAMEWORKS = {"cv2", "imagecodecs", "kornia_rs", "torchvision"}


def peers() -> Iterator[object]:
    """Every decoder of every group."""
    for group, makers in GROUPS.items():
        for name in makers:
            marks = [pytest.mark.frameworks] if name in FRAMEWORKS else []
            yield pytest.param(group, name, marks=marks, id=f"{group}: {name}")


@pytest.fixture(scope="session")
def encoded(keyframe_files: list[Path], pytestconfig: pytest.Config) -> list[bytes]:
    """Keyframes: all of them where it counts, else a few."""
    files = keyframe_files if pytestconfig.getoption("--benchmark") else keyframe_files[:3]
    return [file.read_bytes() for file in files]


@pytest.mark.parametrize(("group", "name"), list(peers()))
def bench_decode(benchmark: BenchmarkFixture, encoded: list[bytes], group: str, name: str) -> None:
    benchmark.group = f"decode: {group}"
    benchmark.extra_info["images"] = len(encoded)
    if name == "Pillow":
        benchmark.extra_info["peer"] = pillow_name()
    ours, decode = GROUPS[group]["textbook_fast"](), GROUPS[group][name]()
    for data in encoded:
        assert difference(ours(data), decode(data)) == 0

    def all_of_them() -> None:
        for data in encoded:
            decode(data)

    benchmark(all_of_them)


@pytest.mark.parametrize("threads", [1, 2])
def bench_decode_jpegs(benchmark: BenchmarkFixture, encoded: list[bytes], threads: int) -> None:
    benchmark.group = "decode: many at once"
    batch = encoded[:32]
    benchmark.extra_info["images"] = len(batch)
    one = decode_jpegs(batch, threads=1)
    for ours, other in zip(decode_jpegs(batch, threads=threads), one, strict=True):
        assert np.array_equal(ours, other)
    benchmark(lambda: decode_jpegs(batch, threads=threads))
