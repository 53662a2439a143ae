"""Columns, and the views that are made of them, against a plain reading of the records."""

from __future__ import annotations

import json
import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from conftest import Writer, record

import textbook_fast
from textbook_fast import Dataset, RecordError


def kept(folder: Path) -> list[Path]:
    return sorted(folder.glob("*.column-*"))


def test_columns_are_the_records_fields(example: Dataset) -> None:
    records = [sample.to_dict() for sample in example]
    for round_number in range(2):  # read, then kept
        for name in ("image_num", "text_num", "token_num"):
            expected = [item[name] for item in records]
            column = example.column(name)
            assert column.dtype == np.int64
            assert column.tolist() == expected, round_number
        images = [sum(path is not None for path in item["images"]) for item in records]
        assert example.column("images").tolist() == images
        vids = [next(k.vid for k in sample.keyframes if k) for sample in example]
        assert example.column("vid").tolist() == vids
        assert example.column("bytes").tolist() == [len(example.record(k)) for k in range(100)]
        assert len(kept(Path(example.paths[0]).parent)) == 6
    view = example[::-7]
    assert view.column("token_num").tolist() == [item["token_num"] for item in records[::-7]]


def test_kinds_of_values_and_what_is_missing(write_json: Writer) -> None:
    rows: list[dict[str, Any]] = [
        record("v@0_1#1.jpg") | {"score": 1, "ok": True},
        record() | {"score": 0.25, "ok": False},
        record() | {"ok": True},
        record() | {"score": None, "ok": None},
    ]
    path = write_json(rows)
    ds = textbook_fast.open(path, decode="never")
    assert ds[:3].column("ok").tolist() == [True, False, True]
    assert ds[:2].column("score").tolist() == [1.0, 0.25]
    with pytest.raises(RecordError, match=r"sample 2 .* no 'score' \(nor have 1 others\)"):
        ds.column("score")
    assert ds.column("score", missing=-1).tolist() == [1.0, 0.25, -1, -1]
    assert ds.column("vid").tolist() == ["v", "", "", ""]
    assert ds.column("vid", missing="none").tolist() == ["v", "none", "none", "none"]
    with pytest.raises(RecordError, match="no 'none'"):
        ds.column("none")
    with pytest.raises(TypeError, match="name is a string"):
        ds.column(3)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        ('"7"', "not a string"),
        ("[7]", "not a list"),
        ('{"a": 7}', "not an object"),
        ("7x", "expected"),
        ("9" * 30, "does not fit into 64 bits"),
        ("true", "of another kind"),
    ],
)
def test_a_value_that_fits_no_column_is_told_with_its_sample(
    tmp_path: Path, value: str, reason: str
) -> None:
    path = tmp_path / "lines.jsonl"
    path.write_text('{"n": 1}\n{"n": 2}\n{"n": ' + value + '}\n{"n": 4}\n')
    ds = textbook_fast.open(path, decode="never")
    with pytest.raises(RecordError, match=reason) as caught:
        ds.column("n")
    assert caught.value.sample == 2
    with pytest.raises(RecordError, match=reason):
        ds.column("n", missing=0)  # it is not missing
    assert ds.select([0, 1, 3]).column("n").tolist() == [1, 2, 4]


def test_a_changed_file_has_other_columns(write_json: Writer) -> None:
    path = write_json([record() | {"n": 1}])
    assert textbook_fast.open(path, decode="never").column("n").tolist() == [1]
    write_json([record() | {"n": 2}])
    assert textbook_fast.open(path, decode="never").column("n").tolist() == [2]


def test_columns_of_a_folder_that_takes_none(
    write_json: Writer, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    path = write_json([record() | {"n": 1}])
    ds = textbook_fast.open(path, decode="never")
    ds.column("n")
    place = kept(tmp_path)[0]
    place.unlink()
    place.mkdir()  # what cannot be replaced by a file
    assert ds.column("n").tolist() == [1]
    assert len(kept(tmp_path / "cache" / "textbook_fast")) == 1
    assert ds.column("n").tolist() == [1]


def test_filter(example: Dataset) -> None:
    few = example.filter(lambda images: images <= 1, columns="images")
    assert [s.index for s in few] == [s.index for s in example if (s.image_num or 0) <= 1]
    both = example.filter(
        lambda images, tokens: (images > 1) & (tokens > 1500), columns=["images", "token_num"]
    )
    plain = example.filter(lambda s: s.image_num > 1 and s.token_num > 1500)
    assert [s.index for s in both] == [s.index for s in plain]
    assert 0 < len(both) < 100
    assert len(example.filter(lambda _: False)) == 0
    wrongs: list[Any] = [lambda n: n[:3] > 0, lambda n: n, lambda _: True]
    for wrong in wrongs:
        with pytest.raises(ValueError, match="one bool for each of the 100 samples"):
            example.filter(wrong, columns="images")


def test_groups_and_buckets(example: Dataset) -> None:
    groups = example.group_by("vid")
    assert sum(len(groups[vid]) for vid in groups) == 100
    assert len(groups) == len({k.vid for s in example for k in s.keyframes if k})
    for vid in groups:
        for sample in groups[vid]:
            assert next(k for k in sample.keyframes if k).vid == vid
    with pytest.raises(KeyError):
        _ = groups["no such video"]
    tokens = example.column("token_num")
    buckets = example.bucket_by("token_num", [1000, 2000])
    for bucket, (low, high) in zip(buckets, [(0, 1000), (1000, 2000), (2000, 10**9)], strict=True):
        expected = np.flatnonzero((tokens >= low) & (tokens < high)).tolist()
        assert [sample.index for sample in bucket] == expected
    wrongs: list[Any] = [[2, 1], [1, 1], [[1], [2]]]
    for wrong in wrongs:
        with pytest.raises(ValueError, match="numbers that increase"):
            example.bucket_by("token_num", wrong)


def test_views_pickle_small_and_whole(tmp_path: Path) -> None:
    path = tmp_path / "many.jsonl"
    count = 100_000
    path.write_text("".join(f'{{"n": {k}}}\n' for k in range(count)))
    ds = textbook_fast.open(path, decode="never")
    for view, most in [
        (ds[10:90_000:3], 2_000),
        (ds.filter(lambda n: n % 3 > 0, columns="n"), count // 8 + 2_000),
        (ds.select([5, 3, 3, 99_999]), 2_000),
        (ds.select(np.random.default_rng(0).permutation(count)), 4 * count + 2_000),
    ]:
        data = pickle.dumps(view)
        assert len(data) < most
        again = pickle.loads(data)
        assert again.column("n").tolist() == view.column("n").tolist()


def test_concat(example: Dataset, write_json: Writer) -> None:
    other = textbook_fast.open(
        write_json([record("a.jpg"), record()], "other.json"), decode="never"
    )
    joined = textbook_fast.concat([example[90:], other, example[:5]])
    assert len(joined) == 17
    expected = [*range(90, 100), 0, 1, *range(5)]
    assert [sample.index for sample in joined] == expected
    assert joined[-1].source == example[4].source
    assert joined[11].source == (other.paths[0], 1)
    assert joined.column("image_num").tolist() == [
        *example.column("image_num")[90:], 1, 0, *example.column("image_num")[:5]
    ]  # fmt: skip
    view = joined[::-2].select([0, 5, 2])
    assert [s.index for s in view] == [expected[::-2][k] for k in (0, 5, 2)]
    nested = textbook_fast.concat([view, joined])
    assert [s.index for s in nested] == [s.index for s in view] + expected
    assert len(nested.filter(lambda n: n == 0, columns="images")) == 1
    again = pickle.loads(pickle.dumps(nested[3:]))
    assert [s.index for s in again] == expected
    image = joined.__getitems__([16])[0].image(0)
    assert isinstance(image, np.ndarray)
    assert np.array_equal(image, example[4].image(0))
    with pytest.raises(ValueError, match="at least one dataset"):
        textbook_fast.concat([])
    with pytest.raises(TypeError, match="not list"):
        textbook_fast.concat([[example]])  # type: ignore[list-item]


def test_columns_of_several_files_are_one(tmp_path: Path) -> None:
    files: dict[str, list[float]] = {"a": [1, 2], "b": [], "c": [0.5]}
    for name, rows in files.items():
        (tmp_path / f"{name}.json").write_text(json.dumps([{"n": n} for n in rows]))
    ds = textbook_fast.open(tmp_path / "*.json", decode="never")
    assert ds.column("n").tolist() == [1.0, 2.0, 0.5]
