"""`open`, views, pickling: what a Dataset promises whatever its samples hold."""

from __future__ import annotations

import json
import os
import pickle
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from conftest import Writer, record

import textbook_fast
from textbook_fast import Dataset


def test_samples_equal_json_loads(example: Dataset) -> None:
    records = json.loads(Path(example.paths[0]).read_bytes())
    assert len(example) == len(records) == 100
    for index, (sample, expected) in enumerate(zip(example, records, strict=True)):
        assert sample.to_dict() == expected
        assert list(sample.to_dict()) == list(expected)
        assert sample.image_paths == expected["images"]
        assert sample.texts == expected["texts"]
        assert sample.text_ocr_list == expected["text_ocr_list"]
        assert json.loads(example.record(index)) == expected


def test_indices(example: Dataset) -> None:
    assert example[-1].index == 99
    assert example[np.int64(3)].index == 3
    for wrong in (100, -101, 10**30):
        with pytest.raises(IndexError, match=r"the dataset has 100"):
            example[wrong]
    for kind in ("1", 1.0, None, (1,)):
        with pytest.raises(TypeError, match="an integer or a slice"):
            example[kind]  # type: ignore[call-overload]


def test_views_compose_and_keep_the_index(example: Dataset) -> None:
    assert [sample.index for sample in example[10:20:3]] == [10, 13, 16, 19]
    assert [sample.index for sample in example[::-1][:2]] == [99, 98]
    assert [sample.index for sample in example[90:][::-4]] == [99, 95, 91]
    assert [sample.index for sample in example.select([3, -1, 3])] == [3, 99, 3]
    assert [sample.index for sample in example.select(range(8, 2, -3))] == [8, 5]
    assert [sample.index for sample in example[50:].select(np.array([1, 0]))] == [51, 50]
    assert [sample.index for sample in example.select([5, 6, 7])[1:]] == [6, 7]
    assert len(example[5:5]) == len(example.select([])) == 0
    assert [sample.index for sample in example.__getitems__([3, 1, 2])] == [3, 1, 2]
    with pytest.raises(IndexError, match=r"no sample 100 \(entry 1 of the indices\)"):
        example.select([0, 100])
    with pytest.raises(TypeError, match="flatnonzero"):
        example.select(np.zeros(100, dtype=bool))
    with pytest.raises(TypeError):
        example.select([1.5])  # type: ignore[list-item]


def test_several_files_and_globs_are_one_dataset(write_json: Writer, tmp_path: Path) -> None:
    for name, count in (("b.json", 2), ("a.json", 3), ("c.json", 0)):
        write_json([record(f"{name}{k}") for k in range(count)], name)
    write_json("\n".join(json.dumps(record(f"d{k}")) for k in range(2)), "d.jsonl")
    ds = textbook_fast.open([tmp_path / "b.json", str(tmp_path / "*.json"), tmp_path / "d.jsonl"])
    assert [sample.source[1] for sample in ds] == [0, 1, 0, 1, 2, 0, 1, 0, 1]
    assert [Path(sample.source[0]).name[0] for sample in ds] == list("bbaaabbdd")
    assert [sample.index for sample in ds] == list(range(9))
    with pytest.raises(textbook_fast.SourceNotFoundError, match="no file matches"):
        textbook_fast.open(str(tmp_path / "*.txt"))
    with pytest.raises(ValueError, match="at least one is needed"):
        textbook_fast.open([])


def test_a_name_with_a_globs_characters_is_a_name(write_json: Writer) -> None:
    assert len(textbook_fast.open(write_json([record("a")], "x[1].json"))) == 1


def test_options_are_checked(write_json: Writer) -> None:
    path = write_json([])
    for options in (
        {"decode": "later"},
        {"access": "mmap"},
        {"on_error": "ignore"},
        {"threads": 0},
    ):
        with pytest.raises(ValueError, match=str(next(iter(options)))):
            textbook_fast.open(path, **options)
    with pytest.raises(TypeError):
        textbook_fast.open(path, threads="2")  # type: ignore[arg-type]
    with pytest.raises(TypeError):
        textbook_fast.open(path, images=b"x")  # type: ignore[arg-type]


@pytest.mark.parametrize("access", ["map", "read"])
def test_the_index_is_kept_and_used(
    write_json: Writer, access: textbook_fast.dataset.Access
) -> None:
    path = write_json([record("a"), record("b")])
    first = textbook_fast.open(path, access=access)
    (info,) = first.index_info
    assert info["built_in_seconds"] is not None
    assert info["sidecar"] == f"{path}.tfidx"
    (info,) = textbook_fast.open(path, access=access).index_info
    assert (info["built_in_seconds"], info["sidecar"]) == (None, f"{path}.tfidx")
    assert first[1].image_paths == ["b", None]


def test_a_pickled_dataset_opens_the_same_files(example: Dataset, tmp_path: Path) -> None:
    view = example[10:90].select([3, 1])
    again = pickle.loads(pickle.dumps(view))
    assert [sample.index for sample in again] == [13, 11]
    assert len(pickle.dumps(example[5:])) < 2000
    data = pickle.dumps(view)
    time.sleep(0.02)
    path = Path(example.paths[0])
    path.write_bytes(path.read_bytes())
    with pytest.raises(textbook_fast.SourceChangedError, match="time of modification"):
        pickle.loads(data)
    path.rename(tmp_path / "elsewhere.json")
    with pytest.raises(FileNotFoundError):
        pickle.loads(data)


def test_a_pickled_sample_carries_its_record_and_images(example: Dataset) -> None:
    sample = example[7]
    images = sample.images
    again = pickle.loads(pickle.dumps(sample))
    Path(example.paths[0]).unlink()
    assert again.texts == sample.texts
    assert (again.index, again.source) == (7, sample.source)
    for ours, theirs in zip(images, again.images, strict=True):
        assert (ours is None) == (theirs is None)
        assert ours is None or np.array_equal(ours, theirs)


def test_repr_is_short(example: Dataset) -> None:
    assert repr(example[5:7]).startswith("<textbook_fast.Dataset: 2 of 100 samples of '")
    assert "2 images, 2 texts" in repr(example[0])


def test_a_second_open_prints_nothing(example: Dataset) -> None:
    code = f"import textbook_fast; print(len(textbook_fast.open({example.paths[0]!r})))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert (done.stdout, done.stderr) == ("100\n", "")


def test_where_nothing_can_be_written_there_is_a_warning(
    write_json: Writer, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = write_json([record("a")])
    (path.parent / "corpus.json.tfidx").mkdir()
    monkeypatch.setenv("XDG_CACHE_HOME", os.devnull)
    with pytest.warns(RuntimeWarning, match="could not be kept"):
        ds = textbook_fast.open(path)
    assert ds[0].image_paths == ["a", None]


def test_the_cache_folder_takes_what_the_folder_refuses(
    write_json: Writer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = write_json([record("a")])
    (path.parent / "corpus.json.tfidx").mkdir()
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    sidecar = textbook_fast.open(path).index_info[0]["sidecar"]
    assert sidecar is not None
    assert Path(sidecar).parent == tmp_path / "cache" / "textbook_fast"
    assert textbook_fast.open(path).index_info[0]["built_in_seconds"] is None
