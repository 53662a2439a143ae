"""The Loader: every sample exactly once, in one order, whatever reads it and resumes it."""

from __future__ import annotations

import gc
import io
import json
import os
import pickle
import random
import shutil
import signal
import subprocess
import sys
import tarfile
import threading
import time
import warnings
from collections import Counter
from collections.abc import Callable, Iterable
from itertools import islice
from pathlib import Path
from typing import Any, cast

import numpy as np
import pytest
from conftest import Writer, record

import textbook_fast
from textbook_fast import Dataset, ImageError, Loader, RecordError, Sample, StateError
from textbook_fast.loader import MAX_SKIPS_IN_A_ROW
from textbook_fast.loader_position import step_at
from textbook_fast.mix import ROUND, mix


def indices(batches: Iterable[list[Sample]]) -> list[int]:
    return [sample.index for batch in batches for sample in batch]


@pytest.fixture
def texts(tmp_path: Path) -> Dataset:
    """1,000 samples without images."""
    path = tmp_path / "texts.jsonl"
    path.write_text("".join(f'{{"images": [null], "texts": ["{k}"]}}\n' for k in range(1000)))
    return textbook_fast.open(path)


def threads_of_this_process() -> int:
    return len(os.listdir("/proc/self/task"))


# --- steps


def test_steps_are_slices_of_the_ranks_and_the_last_is_split_by_ceiling() -> None:
    for length in (0, 1, 7, 24, 25, 100):
        for batch_size, world_size in [(1, 1), (3, 1), (4, 2), (2, 3), (5, 8)]:
            for drop_last in (False, True):
                position, seen = 0, []
                while True:
                    steps = [
                        step_at(position, length, batch_size, rank, world_size, drop_last=drop_last)
                        for rank in range(world_size)
                    ]
                    if steps[0] is None:
                        assert steps == [None] * world_size
                        break
                    sizes = [step.stop - step.start for step in steps if step]
                    assert len(sizes) == world_size
                    assert len({step.end for step in steps if step}) == 1
                    seen += [place for s in steps if s for place in range(s.start, s.stop)]
                    count = steps[0].end - position
                    whole = batch_size * world_size
                    ceiling = -(-count // world_size)
                    assert sizes[0] == (batch_size if count == whole else ceiling)
                    assert sorted(sizes, reverse=True) == sizes
                    position = steps[0].end
                rest = length % (batch_size * world_size) if drop_last else 0
                assert seen == list(range(length - rest))


@pytest.mark.parametrize("shuffle", [False, True, "block"])
@pytest.mark.parametrize(("threads", "io_threads", "prefetch"), [(1, 1, 1), (3, 5, 1 << 30)])
def test_every_sample_once_an_epoch_whatever_the_threads(
    example: Dataset, shuffle: Any, threads: int, io_threads: int, prefetch: int
) -> None:
    def load(**options: Any) -> list[list[int]]:
        loader = Loader(example, 7, shuffle=shuffle, seed=3, **options)
        return [indices(loader) for _ in range(2)]

    orders = load(threads=threads, io_threads=io_threads, prefetch_bytes=prefetch)
    assert orders == load()
    for order in orders:
        assert sorted(order) == list(range(100))
    assert (orders[0] == orders[1]) == (shuffle is False)
    if shuffle is False:
        assert orders[0] == list(range(100))
    elif shuffle == "block":
        assert len({index // 64 for index in orders[0][:36]}) == 1


def test_samples_are_those_of_the_dataset(example: Dataset) -> None:
    view = example[::-3]
    for sample, expected in zip(
        (s for batch in Loader(view, 4, threads=2) for s in batch), view, strict=True
    ):
        assert (sample.index, sample.source) == (expected.index, expected.source)
        assert sample.to_dict() == expected.to_dict()
        assert sample._images is not None
        for image, other in zip(sample.images, expected.images, strict=True):
            assert (image is None) == (other is None)
            if isinstance(image, np.ndarray) and isinstance(other, np.ndarray):
                assert np.array_equal(image, other)


def test_text_alone_is_not_decoded(example: Dataset) -> None:
    ds = textbook_fast.open(example.paths[0], decode="never")
    samples = [s for batch in Loader(ds, 16) for s in batch]
    assert all(sample._images is None for sample in samples)
    assert [s.texts for s in samples] == [s.texts for s in example]


def test_ranks_share_each_step(texts: Dataset) -> None:
    whole = indices(Loader(texts, 8, shuffle=True, seed=5))
    for world_size in (1, 2, 3, 7):
        loaders = [
            Loader(texts, 6, shuffle=True, seed=5, rank=rank, world_size=world_size)
            for rank in range(world_size)
        ]
        assert {len(loader) for loader in loaders} == {-(-1000 // (6 * world_size))}
        batches = [list(loader) for loader in loaders]
        assert {len(of_rank) for of_rank in batches} == {len(loaders[0])}
        by_step = [step for steps in zip(*batches, strict=True) for step in steps]
        assert indices(by_step) == whole


def test_more_ranks_than_samples_still_step_together(texts: Dataset) -> None:
    few = texts[:3]
    batches = [list(Loader(few, 2, rank=rank, world_size=5)) for rank in range(5)]
    assert [[len(batch) for batch in of_rank] for of_rank in batches] == [[1], [1], [1], [0], [0]]
    assert [list(Loader(few, 2, rank=r, world_size=5, drop_last=True)) for r in range(5)] == [
        []
    ] * 5
    assert list(Loader(texts[:0], 2)) == []


# --- the state


def test_a_state_goes_on_at_the_next_sample_with_any_world_and_batch_size(texts: Dataset) -> None:
    whole = indices(Loader(texts, 1, shuffle=True, seed=9))
    loader = Loader(texts, 8, shuffle=True, seed=9, rank=0, world_size=4)
    list(islice(loader, 5))
    state = json.loads(json.dumps(loader.state_dict()))
    assert (state["epoch"], state["position"]) == (0, 5 * 8 * 4)
    for world_size, batch_size in [(1, 1), (2, 16), (8, 3)]:
        loaders = [
            Loader(texts, batch_size, shuffle=True, seed=9, rank=rank, world_size=world_size)
            for rank in range(world_size)
        ]
        for resumed in loaders:
            resumed.load_state_dict(state)
        batches = [list(resumed) for resumed in loaders]
        rest = [step for steps in zip(*batches, strict=True) for step in steps]
        assert indices(rest) == whole[160:]
    # The epoch after that is the one after that for all.
    assert {resumed.epoch for resumed in loaders} == {1}
    following = indices(loaders[0])
    loader = Loader(texts, 3, shuffle=True, seed=9, rank=0, world_size=8)
    loader.set_epoch(1)
    assert indices(loader) == following


def test_a_state_is_of_the_last_delivered_batch(texts: Dataset) -> None:
    loader = Loader(texts, 10, shuffle=True)
    assert loader.state_dict()["position"] == 0
    states = [loader.state_dict()["position"] for _ in islice(loader, 3)]
    assert states == [10, 20, 30]
    # After a break it goes on there.
    assert indices(islice(loader, 1)) == indices(Loader(texts, 10, shuffle=True))[30:40]
    rest = list(loader)
    assert (len(rest), loader.epoch) == (96, 1)
    loader.set_epoch(1)
    assert loader.state_dict()["position"] == 0
    list(islice(loader, 2))
    loader.set_epoch(1)
    assert loader.state_dict()["position"] == 20, "the epoch it is in"
    loader.set_epoch(4)
    assert (loader.epoch, loader.state_dict()["position"]) == (4, 0)


def test_a_state_after_the_last_batch_has_nothing_left_of_its_epoch(texts: Dataset) -> None:
    loader = Loader(texts, 100, shuffle=True)
    for _ in loader:
        state = loader.state_dict()
    assert (state["epoch"], state["position"]) == (0, 1000)
    loader.load_state_dict(state)
    assert list(loader) == []
    assert loader.epoch == 1


def test_a_state_of_something_else_is_refused_and_says_what_differs(
    texts: Dataset, example: Dataset
) -> None:
    state = Loader(texts, 4, shuffle=True, seed=1).state_dict()
    for other, differences in [
        (Loader(texts, 4, shuffle=True, seed=2), {"seed"}),
        (Loader(texts, 4, shuffle="block", seed=1), {"shuffle"}),
        (Loader(texts[::-1], 4, shuffle=True, seed=1), {"view"}),
        (Loader(texts[:999], 4, shuffle=True, seed=1), {"view", "length"}),
        (
            Loader(example, 4, shuffle=True, seed=1),
            {"fingerprint", "bytes", "records", "view", "length"},
        ),
    ]:
        before = other.state_dict()
        with pytest.raises(StateError, match="does not fit this Loader") as caught:
            other.load_state_dict(state)
        assert set(caught.value.differences) == differences
        assert other.state_dict() == before
    loader = Loader(texts, 4, shuffle=True, seed=1)
    with pytest.raises(StateError, match="version 99") as caught:
        loader.load_state_dict({**state, "version": 99})
    for wrong in cast("Any", [{}, None, [1]]):
        with pytest.raises(StateError, match="no state of a Loader"):
            loader.load_state_dict(wrong)
    for place in ({"position": 1001}, {"position": -1}, {"epoch": "1"}, {"epoch": None}):
        with pytest.raises(StateError, match="no place in epochs of 1000"):
            loader.load_state_dict({**state, **place})


def test_a_copied_file_goes_on_and_a_changed_one_does_not(texts: Dataset, tmp_path: Path) -> None:
    loader = Loader(texts, 10, shuffle=True)
    list(islice(loader, 4))
    state = loader.state_dict()
    (tmp_path / "elsewhere").mkdir()
    copy = tmp_path / "elsewhere" / "copy.jsonl"
    shutil.copy(texts.paths[0], copy)
    other = Loader(textbook_fast.open(copy), 10, shuffle=True)
    other.load_state_dict(state)
    assert indices(other) == indices(loader)
    copy.write_text(copy.read_text().replace('"7"', '"8"'))
    with pytest.raises(StateError, match="the content of the files"):
        Loader(textbook_fast.open(copy), 10, shuffle=True).load_state_dict(state)


def test_ranks_of_the_environment(texts: Dataset, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RANK", "1")
    monkeypatch.setenv("WORLD_SIZE", "4")
    loader = Loader(texts, 4)
    monkeypatch.setenv("RANK", "2")
    assert indices(islice(loader, 1)) == [8, 9, 10, 11], "read at the first iteration"
    for rank, world_size in [("4", "4"), ("-1", "4"), ("x", "4"), ("1", ""), ("", "3")]:
        monkeypatch.setenv("RANK", rank)
        monkeypatch.setenv("WORLD_SIZE", world_size)
        with pytest.raises(ValueError, match="RANK and WORLD_SIZE"):
            iter(Loader(texts, 4))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"rank": 1}, "given together"),
        ({"world_size": 1}, "given together"),
        ({"rank": 2, "world_size": 2}, "rank 2 does not fit world_size 2"),
        ({"rank": -1, "world_size": 2}, "rank must be at least 0"),
        ({"rank": 0, "world_size": 0}, "world_size must be at least 1"),
        ({"batch_size": 0}, "batch_size must be at least 1"),
        ({"shuffle": "blocks"}, "shuffle must be False, True or 'block'"),
        ({"seed": -1}, "seed must be at least 0"),
        ({"threads": 0}, "threads must be at least 1"),
        ({"io_threads": 0}, "io_threads must be at least 1"),
        ({"prefetch_bytes": 0}, "prefetch_bytes must be at least 1"),
        ({"on_sample_error": "mark"}, "on_sample_error must be 'raise' or 'skip'"),
    ],
)
def test_wrong_arguments(texts: Dataset, options: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Loader(texts, **({"batch_size": 4} | options))
    with pytest.raises(TypeError, match="takes a dataset, not list"):
        Loader([1, 2], 4)  # type: ignore[arg-type]


# --- what is broken


@pytest.fixture
def broken(example_data: Path, write_json: Writer, tmp_path: Path) -> Dataset:
    """12 samples; of 3 the image is cut, of 6 the lists differ, of 9 it is missing."""
    names = sorted(path.name for path in (example_data / "sample_100_images").iterdir())[:12]
    images = tmp_path / "images"
    images.mkdir()
    rows = []
    for number, name in enumerate(names):
        data = (example_data / "sample_100_images" / name).read_bytes()
        if number != 9:
            (images / name).write_bytes(data[: len(data) // 2] if number == 3 else data)
        rows.append(record(name))
    rows[6]["texts"].append("one too many")
    return textbook_fast.open(write_json(rows), images=images)


@pytest.mark.parametrize(
    ("bad", "kind", "message"),
    [
        (3, ImageError, "sample 3, image 0"),
        (6, RecordError, "sample 6 .* 'texts' has 3 entries"),
        (9, ImageError, "sample 9, image 0"),
    ],
)
def test_what_is_broken_raises_in_its_place_and_the_state_stays(
    broken: Dataset, bad: int, kind: type[Exception], message: str
) -> None:
    loader = Loader(broken.select([0, 1, bad, 2]), 1, threads=2)
    iterator = iter(loader)
    assert indices([next(iterator), next(iterator)]) == [0, 1]
    with pytest.raises(kind, match=message):
        next(iterator)
    with pytest.raises(RuntimeError, match="ended with an error"):
        next(iterator)
    assert loader.state_dict()["position"] == 2
    with pytest.raises(kind, match=message):
        next(iter(loader))


def test_a_skipped_sample_keeps_its_place(broken: Dataset) -> None:
    for world_size in (1, 2):
        seen, lengths = [], []
        for rank in range(world_size):
            loader = Loader(
                broken, 2, rank=rank, world_size=world_size, on_sample_error="skip", threads=2
            )
            with pytest.warns(RuntimeWarning, match="a sample is skipped"):
                batches = list(loader)
            lengths.append(len(batches))
            seen += indices(batches)
            stats = loader.stats()
            assert stats["skipped"] == len(loader.skipped) > 0
        assert sorted(seen) == [0, 1, 2, 4, 5, 7, 8, 10, 11]
        assert lengths == [12 // 2 // world_size] * world_size
    assert loader.skipped[-1][0] in {3, 6, 9}


def test_marked_images_are_no_error(broken: Dataset) -> None:
    ds = textbook_fast.open(broken.paths[0], images=broken.image_roots[0], on_error="mark")
    batches = list(Loader(ds[:6], 6))
    marks = [i for sample in batches[0] for i in sample.images if isinstance(i, ImageError)]
    assert [(mark.sample, mark.position) for mark in marks] == [(3, 0)]


def test_skips_in_a_row_have_a_cap(tmp_path: Path) -> None:
    path = tmp_path / "lines.jsonl"
    path.write_text('{"images": [], "texts": []}\n' + "{broken}\n" * (MAX_SKIPS_IN_A_ROW + 5))
    ds = textbook_fast.open(path, decode="auto", images=tmp_path)
    loader = Loader(ds, 10, on_sample_error="skip")
    with (
        pytest.warns(RuntimeWarning, match="a sample is skipped"),
        pytest.raises(textbook_fast.TextbookError, match="100 samples in a row are broken"),
    ):
        list(loader)
    assert loader.state_dict()["position"] == MAX_SKIPS_IN_A_ROW


def test_a_file_that_changes_is_never_skipped(texts: Dataset) -> None:
    loader = Loader(texts, 10, on_sample_error="skip")
    with Path(texts.paths[0]).open("a") as file:
        file.write("{}\n")
    with pytest.raises(textbook_fast.SourceChangedError):
        list(loader)


def test_a_collate_function_that_raises_is_told_with_its_samples(texts: Dataset) -> None:
    def collate(samples: list[Sample]) -> int:
        if samples[0].index == 20:
            raise KeyError("input_ids")
        return len(samples)

    before = threads_of_this_process()
    loader = Loader(texts, 10, collate=collate)
    iterator = iter(loader)
    assert list(islice(iterator, 2)) == [10, 10]
    with pytest.raises(KeyError) as caught:
        next(iterator)
    assert "for the samples [20, 21" in caught.value.__notes__[0]
    assert loader.state_dict()["position"] == 20
    assert threads_of_this_process() == before


def test_images_that_are_nowhere(write_json: Writer) -> None:
    ds = textbook_fast.open(write_json([record(), record("v@0_1#1.jpg")]))
    iterator = iter(Loader(ds, 1))
    assert indices([next(iterator)]) == [0]
    with pytest.raises(textbook_fast.SourceNotFoundError, match="with the images was found"):
        next(iterator)


# --- threads and memory


def test_no_thread_is_left_behind(example: Dataset) -> None:
    before = threads_of_this_process()
    loader = Loader(example, 4, threads=2)
    for _ in loader:
        assert threads_of_this_process() >= before + 18
        break
    assert threads_of_this_process() == before, "after a break"
    list(loader)
    assert threads_of_this_process() == before, "at the end of an epoch"

    def train() -> None:
        for batch in loader:
            _ = len(batch) / 0

    with pytest.raises(ZeroDivisionError):
        train()
    gc.collect()
    assert threads_of_this_process() == before, "after an exception"
    iterator = iter(loader)
    next(iterator)
    other = iter(loader)
    with pytest.raises(StopIteration):
        next(iterator)
    del other
    assert threads_of_this_process() == before, "after garbage collection"
    with Loader(example, 4) as loader:
        iterator = iter(loader)
        next(iterator)
    assert threads_of_this_process() == before, "after with"


def test_ctrl_c_stops_a_wait_and_leaves_nothing(example: Dataset) -> None:
    code = (
        "import os, signal, threading, textbook_fast\n"
        f"ds = textbook_fast.open({example.paths[0]!r}, images={example.image_roots[0]!r})\n"
        "loader = textbook_fast.Loader(ds, 2)\n"
        "before = len(os.listdir('/proc/self/task'))\n"
        "timer = threading.Timer(0.5, lambda: os.kill(os.getpid(), signal.SIGINT))\n"
        "timer.start()\n"
        "try:\n"
        "    while True:\n"
        "        for batch in loader: pass\n"
        "except KeyboardInterrupt:\n"
        "    timer.join()\n"
        "    print('stopped', len(os.listdir('/proc/self/task')) - before)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=300)
    assert done.stdout.startswith("stopped 0\n"), done.stderr


def in_child(body: Callable[[], bool]) -> None:
    with warnings.catch_warnings():
        if threading.active_count() > 1:
            warnings.simplefilter("ignore", DeprecationWarning)
        pid = os.fork()
    if pid == 0:
        code = 1
        try:
            code = 0 if body() else 2
        finally:
            os._exit(code)
    end = time.monotonic() + 60
    while time.monotonic() < end:
        done, status = os.waitpid(pid, os.WNOHANG)
        if done:
            assert os.waitstatus_to_exitcode(status) == 0
            return
        time.sleep(0.01)
    os.kill(pid, signal.SIGKILL)
    os.waitpid(pid, 0)
    pytest.fail("the forked child hangs")


def test_a_fork_in_the_middle_leaves_both_sides_sound(example: Dataset) -> None:
    expected = indices(Loader(example, 5, shuffle=True))
    loader = Loader(example, 5, shuffle=True, threads=2)
    iterator = iter(loader)
    seen = indices(islice(iterator, 2))

    def child() -> bool:
        try:
            next(iterator)
        except RuntimeError as error:
            if "belongs to the process that was forked" not in str(error):
                return False
        if threads_of_this_process() != 1:
            return False
        return indices(loader) == expected[len(seen) :]

    for _ in range(5):
        # filterwarnings = error: CPython's warning of threads at a fork would raise here.
        in_child(child)
        seen += indices(islice(iterator, 2))
    seen += indices(iterator)
    assert seen == expected


def test_a_loader_pickles_with_its_position(texts: Dataset) -> None:
    loader = Loader(texts, 10, shuffle=True, seed=4)
    list(islice(loader, 3))
    again = pickle.loads(pickle.dumps(loader))
    assert again.state_dict() == loader.state_dict()
    assert indices(again) == indices(loader)


@pytest.mark.parametrize("bound", [1 << 20, 20 << 20])
def test_prefetch_keeps_its_bound(example: Dataset, bound: int) -> None:
    loader = Loader(example, 4, shuffle=True, threads=2, prefetch_bytes=bound)
    list(loader)
    largest = max(
        sum(image.nbytes for image in sample.images if isinstance(image, np.ndarray))
        for sample in example
    )
    most = loader.stats()["most_held_bytes"]
    # A sample larger than its part of the bound is held alone.
    assert 0 < most <= max(bound, bound // 2 + largest + (1 << 20))


def test_stats_name_the_bottleneck(example: Dataset) -> None:
    loader = Loader(example, 10, threads=1)
    assert loader.stats()["bottleneck"] is None
    list(loader)
    stats = loader.stats()
    assert (stats["samples"], stats["batches"], stats["images"]) == (100, 10, 202)
    assert stats["bottleneck"] == "decode"
    assert 0 < stats["wait_seconds"] <= stats["seconds"]
    expected = sum(
        len(sample.image_bytes(k) or b"")
        for sample in example
        for k in range(len(sample.image_paths))
    ) + sum(len(example.record(k)) for k in range(100))
    assert stats["bytes_read"] == expected
    slow = Loader(example, 10, collate=lambda _: time.sleep(0.02))
    list(slow)
    assert slow.stats()["collate_seconds"] > 0.15


def test_slow_reads_are_named_and_hidden(example: Dataset) -> None:
    from textbook_fast import _core

    feed = _core.Feed(
        [(example._files, example._reader.store, None, "raise")],
        threads=1,
        io_threads=16,
        prefetch_bytes=1 << 30,
        read_delay=0.005,
    )
    begin = time.perf_counter()
    feed.push(np.zeros(100, dtype=np.int64), np.arange(100))
    got = [feed.next() for _ in range(100)]
    seconds = time.perf_counter() - begin
    assert [item[1] for item in got if item] == list(range(100))
    assert feed.next() is None
    # 302 reads of 5 ms, one after another, would be 1.5 s.
    assert feed.totals()["read_seconds"] > 1.5
    assert seconds < feed.totals()["read_seconds"]
    with pytest.raises(ValueError, match="source 0 has no sample 100"):
        feed.push(np.zeros(1, dtype=np.int64), np.array([100]))


@pytest.fixture(params=["tar", "tar.gz"])
def archive(example: Dataset, tmp_path: Path, request: pytest.FixtureRequest) -> Path:
    """The example's images in a tar file, in the order of the samples, some apart."""
    path = tmp_path / f"images.{request.param}"
    # What is read in vain must not become short where it is compressed.
    other = random.Random(1).randbytes(100_000)
    with tarfile.open(path, "w:gz" if request.param == "tar.gz" else "w") as tar:
        for number, sample in enumerate(example):
            for position, name in enumerate(sample.image_paths):
                if name is not None:
                    data = sample.image_bytes(position) or b""
                    info = tarfile.TarInfo(Path(name).name)
                    info.size = len(data)
                    tar.addfile(info, io.BytesIO(data))
            if number % 25 == 0:  # more than is read in vain
                info = tarfile.TarInfo(f"other_{number}.bin")
                info.size = len(other)
                tar.addfile(info, io.BytesIO(other))
    return path


@pytest.mark.parametrize("shuffle", [False, True, "block"])
@pytest.mark.parametrize("prefetch", [1, 1 << 20, 1 << 30])
def test_neighbors_in_an_archive_are_read_in_one_call(
    example: Dataset, archive: Path, shuffle: Any, prefetch: int
) -> None:
    ds = textbook_fast.open(example.paths[0], images=archive)
    loader = Loader(ds, 7, shuffle=shuffle, threads=2, prefetch_bytes=prefetch)
    samples = [sample for batch in loader for sample in batch]
    assert sorted(sample.index for sample in samples) == list(range(100))
    for sample in samples:
        for mine, theirs in zip(sample.images, example[sample.index].images, strict=True):
            assert (mine is None) == (theirs is None)
            assert mine is None or np.array_equal(mine, cast("Any", theirs))
    stats = loader.stats()
    assert stats["images"] == 202
    if prefetch == 1 << 30:
        # 100 records, and the images of a sample together at least.
        assert 100 < stats["reads"] <= 210
    else:
        assert stats["reads"] <= 302


def test_an_archive_that_changes_is_an_error_of_its_images(example: Dataset, archive: Path) -> None:
    ds = textbook_fast.open(example.paths[0], images=archive)
    with archive.open("ab") as file:
        file.write(bytes(1024))
    with pytest.raises(ImageError, match=r"sample 0, image 0 .* has changed since it was opened"):
        list(Loader(ds, 4))


# --- mixes


def test_a_mix_has_its_shares_and_each_part_its_own_epochs(
    texts: Dataset, example: Dataset
) -> None:
    never = textbook_fast.open(example.paths[0], decode="never")
    mixed = mix({"texts": (texts, 3.0), "example": (never, 1.0)}, seed=2, length=ROUND)
    loader = Loader(mixed, 16, shuffle=True, seed=1)
    names = {texts.paths[0]: "texts", never.paths[0]: "example"}
    draws = [(names[sample.source[0]], sample.index) for batch in loader for sample in batch]
    assert Counter(name for name, _ in draws) == {"texts": 3072, "example": 1024}
    for name, length in [("texts", 1000), ("example", 100)]:
        mine = [index for of, index in draws if of == name]
        for epoch in range(len(mine) // length):
            assert sorted(mine[epoch * length : (epoch + 1) * length]) == list(range(length))
        assert mine[:length] != mine[length : 2 * length]
    # Early draws are near the shares, too.
    assert 170 < sum(name == "texts" for name, _ in draws[:256]) < 215
    parts = loader.state_dict()["parts"]
    assert parts == {
        "texts": {"epoch": 3, "position": 72},
        "example": {"epoch": 10, "position": 24},
    }


def test_a_mix_resumes_exactly(texts: Dataset) -> None:
    def make(**options: Any) -> Loader:
        parts = {"a": (texts[:300], 0.7), "b": (texts[300:], 0.3)}
        return Loader(mix(parts, seed=5, length=10_000), shuffle=True, **options)

    whole = indices(make(batch_size=50))
    loader = make(batch_size=10)
    list(islice(loader, 411))
    state = json.loads(json.dumps(loader.state_dict()))
    batches = []
    for rank in range(3):
        resumed = make(batch_size=7, rank=rank, world_size=3)
        resumed.load_state_dict(state)
        batches.append(list(resumed))
    rest = [step for steps in zip(*batches, strict=True) for step in steps]
    assert indices(rest) == whole[4110:]
    assert whole != indices(make(batch_size=50, seed=1))
    other = Loader(
        mix({"a": (texts[:300], 0.6), "b": (texts[300:], 0.4)}, seed=5, length=10_000), 4
    )
    with pytest.raises(StateError) as caught:
        other.load_state_dict(state)
    assert set(caught.value.differences) == {"shares", "shuffle"}


def test_another_part_does_not_change_the_order_of_one(texts: Dataset) -> None:
    def order(*others: str) -> list[int]:
        parts = {"a": (texts[:100], 1.0)} | dict.fromkeys(others, (texts[100:], 1.0))
        loader = Loader(mix(parts, length=4096), 64, shuffle=True)
        return [index for index in indices(loader) if index < 100][:300]

    assert order() == order("b") == order("b", "c")


def test_wrong_mixes(texts: Dataset) -> None:
    wrong: list[tuple[Any, str]] = [
        ({}, "at least one dataset"),
        ({"a": (texts[:0], 1.0)}, "'a' has no samples"),
        ({"a": (texts, 0.0)}, "weight of 'a' has to be positive"),
        ({"a": (texts, float("nan"))}, "weight of 'a' has to be positive"),
        ({"a": (texts, 1.0), "b": (texts, 1e-9)}, "weight of 'b' is less than 1/4096"),
    ]
    for parts, message in wrong:
        with pytest.raises(ValueError, match=message):
            mix(parts)
    with pytest.raises(TypeError, match="'a' is no dataset but list"):
        mix({"a": ([1], 1.0)})  # type: ignore[dict-item]
    with pytest.raises(ValueError, match="length has to be at least 1"):
        mix({"a": (texts, 1.0)}, length=0)


def test_load_state_dict_takes_no_longer_far_in(texts: Dataset) -> None:
    # A position of a long mix is arithmetic: nothing is gone through.
    loader = Loader(mix({"a": (texts, 1.0), "b": (texts, 1.0)}, length=10**12), 8, shuffle=True)
    state = {**loader.state_dict(), "position": 10**12 - 16}
    loader.load_state_dict(state)
    assert sum(1 for _ in loader) == 2
