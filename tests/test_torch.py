"""textbook_fast.torch: tensors, workers of every kind, resume, ranks. Runs in `.ci/frameworks`."""

from __future__ import annotations

import json
import multiprocessing
import os
import subprocess
import sys
import time
from itertools import islice
from pathlib import Path
from typing import Any, cast

import numpy as np
import pytest
from conftest import Writer, record

import textbook_fast
from textbook_fast import Dataset, Loader

pytestmark = [
    pytest.mark.frameworks,
    # Of torch, in processes with threads, without an accelerator.
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
    pytest.mark.filterwarnings("ignore:.*pin_memory.*:UserWarning"),
    pytest.mark.filterwarnings("ignore:.*set_vital.*:UserWarning"),
    pytest.mark.filterwarnings("ignore:This DataLoader will create:UserWarning"),
]


@pytest.fixture
def tt() -> Any:
    """textbook_fast.torch; the skip names the package that is missing."""
    pytest.importorskip("torch", reason="torch is not installed: pip install '.[test-frameworks]'")
    from textbook_fast import torch as module

    return module


@pytest.fixture
def texts(tmp_path: Path) -> Dataset:
    """300 samples without images."""
    path = tmp_path / "texts.jsonl"
    path.write_text("".join(f'{{"images": [null], "texts": ["{k}"]}}\n' for k in range(300)))
    return textbook_fast.open(path)


def numbers(batches: Any) -> list[int]:
    return [number for batch in batches for number in batch.index.tolist()]


def test_collate_shares_the_arrays_memory(tt: Any, example: Dataset) -> None:
    samples = example.__getitems__([3, 40, 7])
    batch = tt.collate(samples)
    expected = [
        (image, number, position)
        for number, sample in enumerate(samples)
        for position, image in enumerate(sample.images)
        if isinstance(image, np.ndarray)
    ]
    assert len(batch) == 3
    assert len(batch.images) == len(expected)
    for tensor, (image, number, position), of, at in zip(
        batch.images, expected, batch.sample.tolist(), batch.position.tolist(), strict=True
    ):
        assert (of, at) == (number, position)
        assert tensor.data_ptr() == image.ctypes.data
        assert np.array_equal(tensor.numpy(), image)
    assert batch.texts == [sample.texts for sample in samples]
    assert batch.index.tolist() == [3, 40, 7]
    moved = batch.to("cpu")
    assert moved.index.tolist() == [3, 40, 7]


def test_collate_of_no_images(tt: Any, texts: Dataset) -> None:
    for collate in (tt.collate, tt.collate_stacked):
        batch = collate(texts.__getitems__([1, 2]))
        assert (len(batch.images), len(batch.sample), len(batch)) == (0, 0, 2)
        assert len(collate([])) == 0


def test_stacking_wants_one_shape(tt: Any, example: Dataset, tmp_path: Path) -> None:
    from PIL import Image

    for name, size in {"a.jpg": (40, 20), "b.jpg": (40, 20), "c.jpg": (20, 40)}.items():
        Image.new("RGB", size, (9, 99, 199)).save(tmp_path / name)
    path = tmp_path / "c.json"
    path.write_text(json.dumps([record("a.jpg", "b.jpg"), record("c.jpg")]))
    ds = textbook_fast.open(path, images=tmp_path)
    batch = tt.collate_stacked([ds[0]])
    assert tuple(batch.images.shape) == (2, 20, 40, 3)
    with pytest.raises(ValueError, match=r"sample 1, image 0 has the shape \(40, 20, 3\)"):
        tt.collate_stacked(list(ds))
    assert len(example) == 100


def test_images_cut_into_patches_keep_their_grid(tt: Any, example: Dataset) -> None:
    from textbook_fast import ImageTransform, PixelBudget

    cut = ImageTransform(size=PixelBudget(28 * 28, 28 * 28 * 64, 28), layout="patches")
    ds = textbook_fast.open(example.paths[0], images=example.image_roots[0], transform=cut)
    batch = next(iter(Loader(ds, 4, collate=tt.collate)))
    assert batch.grid is not None
    assert tuple(batch.grid.shape) == (len(batch.images), 3)
    for values, grid in zip(batch.images, batch.grid.tolist(), strict=True):
        assert values.shape[0] == grid[0] * grid[1] * grid[2]
    sizes: list[tuple[int, int]] = []

    def by_size(height: int, width: int) -> int:
        sizes.append((height, width))
        return height * width // 4

    ds[0].to_prompt(tokenizer=str.split, tokens_per_image=by_size)
    assert [list(size) for size in sizes] == batch.grid[batch.sample == 0][:, 1:].tolist()


def test_a_loader_without_workers(tt: Any, example: Dataset) -> None:
    loader = Loader(example, 8, shuffle=True, collate=tt.collate, threads=2)
    assert sorted(numbers(loader)) == list(range(100))


@pytest.mark.parametrize(
    ("method", "is_kept"),
    [("fork", False), ("fork", True), ("spawn", True), ("forkserver", True)],
)
def test_map_style_with_workers(tt: Any, example: Dataset, method: str, is_kept: bool) -> None:  # noqa: FBT001
    view = example[::2]
    loader = tt.DataLoader(
        view,
        batch_size=6,
        num_workers=2,
        multiprocessing_context=method,
        persistent_workers=is_kept,
        pin_memory=True,
    )
    for _ in range(2):
        batches = list(loader)
        assert len(loader) == len(batches) == 9
        assert numbers(batches) == [sample.index for sample in view]
    image = next(i for i in view[0].images if i is not None)
    assert np.array_equal(batches[0].images[0].numpy(), cast("Any", image))


def test_distributed_sampler(tt: Any, texts: Dataset) -> None:
    from torch.utils.data.distributed import DistributedSampler

    seen: list[int] = []
    for rank in range(3):
        sampler: Any = DistributedSampler(cast("Any", texts), num_replicas=3, rank=rank)
        seen += numbers(tt.DataLoader(texts, batch_size=7, sampler=sampler))
    assert sorted(seen) == list(range(300))


@pytest.mark.parametrize("workers", [0, 1, 3])
def test_iterable_with_workers_has_every_sample_once(tt: Any, texts: Dataset, workers: int) -> None:
    from torch.utils.data import DataLoader

    loader = Loader(texts, 8, shuffle=True, seed=2, collate=tt.collate)
    loaded = list(DataLoader(tt.IterableLoader(loader), batch_size=None, num_workers=workers))
    assert sorted(numbers(loaded)) == list(range(300))
    assert len(loaded) == max(1, workers) * -(-300 // (8 * max(1, workers)))


@pytest.mark.parametrize("workers", [0, 2])
def test_stateful_data_loader_resumes(tt: Any, texts: Dataset, workers: int) -> None:
    stateful = pytest.importorskip(
        "torchdata.stateful_dataloader",
        reason="torchdata is not installed: pip install '.[test-frameworks]'",
    )

    def make() -> Any:
        loader = Loader(texts, 8, shuffle=True, seed=2, collate=tt.collate)
        dataset = tt.IterableLoader(loader)
        return stateful.StatefulDataLoader(dataset, batch_size=None, num_workers=workers)

    whole = numbers(make())
    assert sorted(whole) == list(range(300))
    running = make()
    iterator = iter(running)
    seen = numbers(islice(iterator, 11))
    state = running.state_dict()
    del iterator
    resumed = make()
    resumed.load_state_dict(state)
    assert seen + numbers(resumed) == whole


RANK = """
import json, sys
import torch.distributed as dist
import textbook_fast
from textbook_fast import Loader
from textbook_fast.torch import collate

path, rank, store = sys.argv[1], int(sys.argv[2]), sys.argv[3]
ds = textbook_fast.open(path)
loader = Loader(ds, 7, shuffle=True, seed=3, collate=collate)
dist.init_process_group("gloo", init_method="file://" + store, rank=rank, world_size=2)
seen = []
for batch in loader:
    seen += batch.index.tolist()
    dist.barrier()  # hangs if the ranks had different numbers of steps
gathered = [None, None]
dist.all_gather_object(gathered, seen)
dist.destroy_process_group()
print(json.dumps([loader.ranks, gathered]))
"""


def test_two_ranks_over_gloo_see_every_sample_once(tt: Any, texts: Dataset, tmp_path: Path) -> None:
    assert tt.Batch
    environment = {k: v for k, v in os.environ.items() if k not in {"RANK", "WORLD_SIZE"}}
    command = [sys.executable, "-c", RANK, texts.paths[0]]
    ranks = [
        subprocess.Popen(
            [*command, str(rank), str(tmp_path / "store")],
            stdout=subprocess.PIPE,
            text=True,
            env=environment,
        )
        for rank in range(2)
    ]
    out = [process.communicate(timeout=120)[0] for process in ranks]
    found = [json.loads(text.splitlines()[-1]) for text in out]
    assert [ranks for ranks, _ in found] == [[0, 2], [1, 2]]
    assert found[0][1] == found[1][1]
    assert sorted(found[0][1][0] + found[0][1][1]) == list(range(300))


DEADLY = """
import json, os, signal, sys
import textbook_fast
from textbook_fast.torch import DataLoader

class Deadly:
    def __init__(self, samples):
        self.samples = samples
    def __len__(self):
        return len(self.samples)
    def __getitems__(self, indices):
        if 42 in indices:
            os.kill(os.getpid(), signal.SIGKILL)
        return self.samples.__getitems__(indices)

try:
    list(DataLoader(Deadly(textbook_fast.open(sys.argv[1])), batch_size=4, num_workers=2))
except RuntimeError as error:
    print(json.dumps([str(error), error.__notes__]), flush=True)
    os._exit(0)  # torch's handler of signals may raise once more
"""


def test_a_killed_worker_is_told_with_its_samples(tt: Any, texts: Dataset) -> None:
    assert tt.DataLoader
    done = subprocess.run(
        [sys.executable, "-c", DEADLY, texts.paths[0]], capture_output=True, text=True, timeout=300
    )
    assert done.returncode == 0, done.stderr
    message, notes = json.loads(done.stdout)
    assert "exited unexpectedly" in message or "killed by signal" in message
    assert notes[0].startswith("the samples that were lost with the worker: [")
    lost = json.loads(notes[0].split(": ")[1])
    assert {40, 41, 42, 43} <= set(lost)
    # Nothing of the worker that lives: its batches are every second one.
    assert {index // 4 % 2 for index in lost} == {42 // 4 % 2}


def test_a_worker_that_is_just_dying_is_waited_for(tt: Any) -> None:
    class Broken:
        _task_info: Any
        _index_sampler: Any

        def __init__(self, *workers: Any) -> None:
            self._workers = workers

        def __next__(self) -> Any:
            raise ConnectionResetError(104, "Connection reset by peer")

    dying = multiprocessing.get_context("spawn").Process(target=time.sleep, args=(0.1,))
    dying.start()
    watched = tt._Watched(Broken(dying))
    assert watched._has_died(60)
    with pytest.raises(RuntimeError, match="exited unexpectedly"):
        next(watched)
    with pytest.raises(ConnectionResetError):
        next(tt._Watched(Broken()))

    # Its pipe is closed before the system says that it has ended.
    class Ending:
        sentinel = dying.sentinel

        def is_alive(self) -> bool:
            return True

    ending = Broken(Ending())
    ending._task_info, ending._index_sampler = {0: (0,)}, tt._Recorded([[7, 8]])
    assert list(ending._index_sampler) == [[7, 8]]
    with pytest.raises(RuntimeError, match="exited unexpectedly") as caught:
        next(tt._Watched(ending))
    assert caught.value.__notes__ == ["the samples that were lost with the worker: [7, 8]"]


def test_marked_images_are_left_out(tt: Any, write_json: Writer, tmp_path: Path) -> None:
    ds = textbook_fast.open(write_json([record("a@0_1#1.jpg")]), images=tmp_path, on_error="mark")
    assert tt.collate([ds[0]]).images == []
