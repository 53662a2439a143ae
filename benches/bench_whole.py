"""The whole way: from a corpus on disk to the texts and pixels of samples in random
order, beside what people do today (`json.load`, a patched prefix, PIL).
"""

from __future__ import annotations

import json
import random
from pathlib import Path

import numpy as np
import pytest
from peers import pillow_decode, pillow_name
from pytest_benchmark.fixture import BenchmarkFixture

import textbook_fast
from textbook_fast.synthetic import PREFIX, link_images, write_corpus


@pytest.fixture(scope="session")
def small_corpus(
    tmp_path_factory: pytest.TempPathFactory,
    keyframe_files: list[Path],
    pytestconfig: pytest.Config,
) -> tuple[Path, Path, list[int]]:
    """A corpus with pictures, their folder, and a random order."""
    folder = tmp_path_factory.mktemp("whole")
    count = 60 if pytestconfig.getoption("--benchmark") else 2
    write_corpus(folder / "corpus.json", count)
    link_images(folder / "corpus.json", folder / "images", keyframe_files)
    order = list(range(count))
    random.Random(1).shuffle(order)
    return folder / "corpus.json", folder / "images", order


def today(corpus: Path, images: Path, order: list[int]) -> list[tuple[str, int]]:
    samples = json.loads(corpus.read_bytes())
    seen = []
    for index in order:
        sample = samples[index]
        paths = [path.replace(PREFIX, str(images)) for path in sample["images"] if path]
        arrays = [pillow_decode(Path(path).read_bytes()) for path in paths]
        seen.append(
            (" ".join(text for text in sample["texts"] if text), sum(a.size for a in arrays))
        )
    return seen


def ours(corpus: Path, images: Path, order: list[int], threads: int) -> list[tuple[str, int]]:
    ds = textbook_fast.open(corpus, images=images, threads=threads)
    seen = []
    for index in order:
        sample = ds[index]
        pixels = sum(a.size for a in sample.images if isinstance(a, np.ndarray))
        seen.append((" ".join(text for text in sample.texts if text), pixels))
    return seen


@pytest.mark.parametrize("threads", [1, 2])
def bench_whole_textbook_fast(
    benchmark: BenchmarkFixture, small_corpus: tuple[Path, Path, list[int]], threads: int
) -> None:
    benchmark.group = "the whole way"
    benchmark.extra_info["samples"] = len(small_corpus[2])
    assert ours(*small_corpus, threads) == today(*small_corpus)
    benchmark(lambda: ours(*small_corpus, threads))


def bench_whole_json_and_pillow(
    benchmark: BenchmarkFixture, small_corpus: tuple[Path, Path, list[int]]
) -> None:
    benchmark.group = "the whole way"
    benchmark.extra_info["peer"] = pillow_name()
    benchmark(lambda: today(*small_corpus))
