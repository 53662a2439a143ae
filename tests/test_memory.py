"""What a process holds stays what its work needs at once: over epochs, and afterwards."""

from __future__ import annotations

import json
import random
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import textbook_fast
from textbook_fast import Loader, _core

MIB = 1 << 20

# A process of its own: pytest's has grown already. Prints RSS in MB at the end of each epoch.
EPOCHS = """
import sys
import textbook_fast
ds = textbook_fast.open(sys.argv[1], images=sys.argv[2])
loader = textbook_fast.Loader(ds, 4, shuffle=True, threads=4, prefetch_bytes=32 << 20)
for _ in range(int(sys.argv[3])):
    for batch in loader:
        for sample in batch:
            assert len(sample.images) == 4
    print(int(open("/proc/self/statm").read().split()[1]) * 4096 / 1e6)
"""


@pytest.fixture
def sizes(tmp_path: Path) -> tuple[Path, Path]:
    """24 samples of 4 images, each of another size, from 40,000 to 1.2 million pixels."""
    rng = random.Random(0)
    folder = tmp_path / "images"
    folder.mkdir()
    for number in range(96):
        shape = (rng.randrange(200, 1100), rng.randrange(200, 1100), 3)
        Image.fromarray(np.full(shape, number, np.uint8)).save(folder / f"{number}.jpg")
    samples = [
        {"images": [f"{4 * k + j}.jpg" for j in range(4)], "texts": [None] * 4} for k in range(24)
    ]
    path = tmp_path / "corpus.json"
    path.write_text(json.dumps(samples))
    return path, folder


@pytest.mark.slow
def test_a_process_does_not_grow_from_epoch_to_epoch(sizes: tuple[Path, Path]) -> None:
    command = [sys.executable, "-c", EPOCHS, *map(str, sizes), "160"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    rss = [float(line) for line in done.stdout.split()]
    assert len(rss) == 160
    # Buffers kept by size, without regard to what is needed at once, came to 20 MB more.
    assert max(rss[100:]) - max(rss[:20]) < 12, rss


def test_no_more_is_kept_than_was_in_use_and_closing_gives_it_back(
    sizes: tuple[Path, Path],
) -> None:
    ds = textbook_fast.open(sizes[0], images=sizes[1])
    pixels = [image.nbytes for sample in ds for image in sample.images]
    _core.free_kept()
    assert _core.kept_bytes() == 0
    loader = Loader(ds, 4, shuffle=True, threads=2, prefetch_bytes=16 * MIB)
    for _ in range(3):
        for batch in loader:
            assert len(batch) == 4
    del batch
    # At most the prefetched images, and two batches: the last one, and the next.
    largest_batch = 16 * max(pixels)
    assert 0 < _core.kept_bytes() < 1.25 * (16 * MIB + 2 * largest_batch)
    loader.close()
    assert _core.kept_bytes() == 0


def test_an_array_outlives_the_memory_that_is_given_back(sizes: tuple[Path, Path]) -> None:
    ds = textbook_fast.open(sizes[0], images=sizes[1])
    images = ds[0].images
    copies = [image.copy() for image in images]
    for sample in ds[1:]:
        assert sample.images
    _core.free_kept()
    for sample in ds[1:]:
        assert sample.images
    for image, copy in zip(images, copies, strict=True):
        assert np.array_equal(image, copy)
