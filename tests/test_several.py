"""Several datasets as one: batches, search and statistics through `concat`, and its views."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from conftest import record

import textbook_fast
from textbook_fast import (
    Dataset,
    ImageError,
    ImageTransform,
    RecordError,
    Statistics,
    concat,
    mix,
)

SMALL = ImageTransform(size=32, layout="CHW", dtype="float32")


@pytest.fixture
def opened(
    tmp_path: Path, keyframe_files: list[Path], write_json: Callable[..., Path]
) -> Callable[..., list[Dataset]]:
    """Opens two datasets, whose images have the same names and other contents."""
    paths = []
    for part, texts in enumerate((["a pear", "an apple", "a plum"], ["an Apple", "a fig"])):
        folder = tmp_path / f"part{part}" / "images"
        folder.mkdir(parents=True)
        for k in range(3):
            (folder / f"{k}.jpg").write_bytes(keyframe_files[3 * part + k].read_bytes())
        samples = [record(f"{k}.jpg", text=text) for k, text in enumerate(texts)]
        paths.append((write_json(samples, f"part{part}/corpus.json"), folder))

    def open_all(**options: Any) -> list[Dataset]:
        return [textbook_fast.open(path, images=folder, **options) for path, folder in paths]

    return open_all


def test_a_batch_takes_images_of_each_dataset_from_its_own_store(
    opened: Callable[..., list[Dataset]],
) -> None:
    first, second = opened(transform=SMALL)
    both = concat([first, second])
    batch = both.batch([3, 0, 4, 1])
    assert batch.images.shape == (4, 3, 32, 32)
    expected = [second[0], first[0], second[1], first[1]]
    assert [text[1] for text in batch.texts] == [sample.texts[1] for sample in expected]
    for k, sample in enumerate(expected):
        assert np.array_equal(batch.image(k), sample.images[0])
    assert batch.places.tolist() == [[k, 0] for k in range(4)]
    again = both[::-1].batch(range(5), out=np.empty((9, 3, 32, 32), np.float32))
    assert np.array_equal(again.image(1), batch.image(0))
    assert len(both.batch([])) == 0


def test_a_broken_image_of_a_batch_is_named_by_its_own_datasets_rule(
    opened: Callable[..., list[Dataset]],
) -> None:
    first, second = opened(transform=SMALL, on_error="mark")
    folder = Path(second.image_roots[0])
    data = (folder / "1.jpg").read_bytes()
    (folder / "1.jpg").write_bytes(data[: len(data) // 2])
    both = concat([first, second])
    batch = both.batch(range(5))
    assert len(batch) == 4
    assert [(error.sample, error.kind) for error in batch.errors] == [(1, "truncated")]
    assert np.array_equal(batch.image(3), second[0].images[0])
    raising = concat([first, opened(transform=SMALL)[1]])
    with pytest.raises(ImageError, match=r"sample 1, image 0 \('1.jpg'\): it is cut"):
        raising.batch(range(5))


def test_a_batch_needs_one_transform(opened: Callable[..., list[Dataset]]) -> None:
    first, second = opened(transform=SMALL)[0], opened(transform=ImageTransform(size=48))[1]
    with pytest.raises(TypeError, match="different transforms"):
        concat([first, second]).batch([0])
    with pytest.raises(TypeError, match="opened with transform=ImageTransform"):
        concat([first, opened()[1]]).batch([0])


def test_hits_come_in_order_with_places_of_the_whole(
    opened: Callable[..., list[Dataset]],
) -> None:
    first, second = opened()
    both = concat([first, second])
    assert [hit.sample for hit in both.search("apple")] == [1, 3]
    assert [hit.sample for hit in both.search("apple", ignore_case=False)] == [1]
    for hit in both.search("a", limit=4):
        text = both[hit.sample].texts[hit.item]
        assert text is not None
        assert text.startswith(hit.excerpt[:4])
    mixed = both.select([4, 1, 3, 0, 1])
    assert [hit.sample for hit in mixed.search("APPLE")] == [1, 2, 4]
    assert [hit.sample for hit in mixed.search("APPLE", limit=2)] == [1, 2]
    assert [hit.sample for hit in concat([both[3:], first]).search("apple")] == [0, 3]
    assert list(both[:0].search("apple")) == []
    with pytest.raises(ValueError, match="the pattern is empty"):
        both[:0].search("")
    with pytest.raises(ValueError, match="limit must be 0 or more"):
        both.search("a", limit=-1)


def same(ours: Statistics, theirs: Statistics) -> None:
    """All but sums of seconds, whose last bits depend on the order."""
    assert ours.hours == pytest.approx(theirs.hours)
    assert ours.clip_seconds.counts == theirs.clip_seconds.counts
    assert replace(ours, hours=theirs.hours, clip_seconds=theirs.clip_seconds) == theirs


def test_statistics_of_several_are_those_of_all_their_samples(example: Dataset) -> None:
    halves = concat([example[:30], example[30:]])
    same(
        halves.statistics(images=None, similarity=2),
        example.statistics(images=None, similarity=2),
    )
    odd = concat([example[1::2], example[::2]])[:50]
    same(odd.statistics(images=None), example[1::2].statistics(images=None))
    # A video that is in both counts once.
    twice = concat([example, example]).statistics(images=0)
    assert twice.samples == 200
    assert twice.videos == example.statistics(images=0).videos


def test_statistics_find_images_in_their_own_store(opened: Callable[..., list[Dataset]]) -> None:
    first, second = opened()
    found = concat([first, second]).statistics(images=None)
    alone = [ds.statistics(images=None) for ds in (first, second)]
    assert found.image_bytes.total == sum(one.image_bytes.total for one in alone)
    assert found.images_looked_at == 5
    assert found.image_errors == 0
    with pytest.raises(ValueError, match="images must be 0 or more"):
        concat([first, second]).statistics(images=-1)


def test_a_broken_record_of_a_part_is_told(
    opened: Callable[..., list[Dataset]], write_json: Callable[..., Path]
) -> None:
    broken = textbook_fast.open(write_json('[{"images": 7, "texts": 7}]', "broken.json"))
    both = concat([opened()[0], broken])
    with pytest.raises(RecordError):
        both.statistics()


def test_a_mix_says_whom_to_ask(opened: Callable[..., list[Dataset]]) -> None:
    first, second = opened(transform=SMALL)
    mixed = mix({"one": (first, 1), "two": (second, 1)})
    for name in ("batch", "search", "statistics"):
        with pytest.raises(AttributeError, match=rf"'one', 'two'.*mix.datasets\['one'\].{name}"):
            getattr(mixed, name)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert not hasattr(mixed, "nothing")
