"""What is counted is what is there; SSIM is scikit-image's."""

from __future__ import annotations

import json
import zipfile
from itertools import combinations, pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from conftest import Writer, record

import textbook_fast
from textbook_fast.cli import main
from textbook_fast.statistics import distribution


@pytest.fixture
def records(example_data: Path) -> list[dict[str, Any]]:
    text = (example_data / "textbook_sample_100.json").read_text(encoding="utf-8")
    parsed: list[dict[str, Any]] = json.loads(text)
    return parsed


def test_the_counts_are_those_of_a_loop(
    example: textbook_fast.Dataset, records: list[dict[str, Any]]
) -> None:
    found = example.statistics(images=None)
    images = [[path for path in item["images"] if path] for item in records]
    frames = [textbook_fast.Keyframe.parse(path) for of_sample in images for path in of_sample]
    clips = {(it.vid, it.start_seconds, it.end_seconds) for it in frames if it is not None}
    texts = [[text for text in item["texts"] if text is not None] for item in records]
    said = sum(len(text) for of_sample in texts for text in of_sample)
    both = sum(len(text) for item in records for text in item["text_ocr_list"] if text)
    assert found.samples == 100
    assert found.images.total == sum(map(len, images)) == 202
    assert found.images.mean == np.mean([len(it) for it in images])
    assert found.texts.total == sum(map(len, texts))
    assert found.text_tokens.mean == np.mean([item["text_num"] for item in records])
    assert found.tokens.max == max(item["token_num"] for item in records)
    assert found.characters.total == said
    assert found.videos == len({it.vid for it in frames if it is not None})
    assert found.clips == len(clips)
    assert found.hours == pytest.approx(sum(end - start for _, start, end in clips) / 3600)
    assert found.images_per_clip.mean == pytest.approx(202 / len(clips))
    assert found.ocr_share == pytest.approx((both - said) / both)
    assert (found.images_looked_at, found.image_errors, found.similarity) == (202, 0, None)
    sizes: dict[str, int] = {}
    total = 0
    for sample in example:
        for k, image in enumerate(sample.images):
            if isinstance(image, np.ndarray):
                name = f"{image.shape[1]}x{image.shape[0]}"
                sizes[name] = sizes.get(name, 0) + 1
                total += len(sample.image_bytes(k) or b"")
    assert found.dimensions == sizes
    assert found.image_bytes.total == total
    assert sum(found.images.counts) == 100
    json.dumps(found.to_dict(), allow_nan=False)


def test_a_view_and_a_part_of_the_images(example: textbook_fast.Dataset) -> None:
    view = example[10:30]
    found = view.statistics(images=7)
    assert found.samples == 20
    assert found.images.total == sum(sample.image_num or 0 for sample in view)
    assert found.images_looked_at == 7
    assert example.statistics(images=0).images_looked_at == 0
    reversed_view = example[29:9:-1].statistics(images=0)
    assert reversed_view.images == found.images


def test_clips_are_counted_as_interleaved(example_data: Path, tmp_path: Path) -> None:
    with zipfile.ZipFile(example_data / "multimodal_textbook_meta_data.json.zip") as archive:
        archive.extractall(tmp_path)
    ds = textbook_fast.open(tmp_path / "multimodal_textbook_meta_data.json")
    found = ds.statistics(images=0)
    assert found.images.total == sum(sample.image_num or 0 for sample in ds)
    assert found.tokens.total == sum(sample.token_num or 0 for sample in ds)
    assert found.characters.total == sum(
        len(text) for sample in ds for text in sample.texts if text is not None
    )


def test_records_without_numbers_and_an_empty_dataset(write_json: Writer) -> None:
    path = write_json('[{"texts": ["a", null]}, {"images": ["x.jpg"], "texts": [null]}, {}]')
    found = textbook_fast.open(path).statistics()
    assert found.tokens == distribution(np.zeros(0, dtype=np.int64))
    assert (found.images.total, found.other_images, found.ocr_share) == (1, 1, 0.0)
    assert found.image_errors == 1
    assert "none" in str(found)
    empty = textbook_fast.open(write_json([], "empty.json")).statistics()
    assert (empty.samples, empty.images.mean, empty.ocr_share) == (0, None, None)
    assert str(empty)
    assert "<svg" not in empty.to_html()


def test_missing_images_are_counted(write_json: Writer, tmp_path: Path) -> None:
    (tmp_path / "images").mkdir()
    path = write_json([record("a@0_1#1.jpg", "b@0_1#1.jpg", "c@0_1#1.jpg", "d@0_1#1.jpg")])
    ds = textbook_fast.open(path, images=tmp_path / "images")
    found = ds.statistics(similarity=5)
    assert (found.images_looked_at, found.image_errors) == (4, 4)
    assert "not found in" in found.image_error_examples[0]
    assert found.similarity is not None
    assert [row.failed for row in found.similarity] == [1, 0, 0, 0, 0]
    assert found.similarity[0].mean is None


def test_a_broken_sample_is_told_with_its_place(write_json: Writer) -> None:
    ds = textbook_fast.open(write_json('[{"texts": []}, {"texts": [3]}]'))
    with pytest.raises(textbook_fast.RecordError, match=r"sample 1 .*expected a string or null"):
        ds.statistics()
    for wrong in ({"similarity": 0}, {"images": -1}):
        with pytest.raises(ValueError, match="must be"):
            ds.statistics(**wrong)


def gray(path: Path) -> Any:
    return textbook_fast.decode_jpeg(path.read_bytes(), color="gray")


def test_the_similarity_of_a_sample_is_the_mean_over_its_pairs(
    write_json: Writer, keyframe_files: list[Path], tmp_path: Path
) -> None:
    names = [f"v@{k}_{k + 1}#1.jpg" for k in range(5)]
    root = tmp_path / "images"
    root.mkdir()
    same_size = [
        file for file in keyframe_files if gray(file).shape == gray(keyframe_files[0]).shape
    ]
    for name, file in zip(names, same_size, strict=False):
        (root / name).write_bytes(file.read_bytes())
    ds = textbook_fast.open(write_json([record(*names), record(*names[:4])]), images=root)
    found = ds.statistics(similarity="all").similarity
    assert found is not None
    pictures = [gray(root / name) for name in names]
    for row, number in zip(found[:2], (4, 5), strict=True):
        values = [
            textbook_fast.structural_similarity(a, b) for a, b in combinations(pictures[:number], 2)
        ]
        assert row.images == number
        assert row.mean == pytest.approx(np.mean(values), abs=1e-9)


def test_similarity_of_bad_arrays() -> None:
    good = np.zeros((8, 8), dtype=np.uint8)
    ssim = textbook_fast.structural_similarity
    assert ssim(good, good) == 1.0
    assert ssim(good[::2, ::1].repeat(2, 0), good) == 1.0
    with pytest.raises(TypeError, match="array of uint8, not of float64"):
        ssim(good.astype(float), good)
    with pytest.raises(ValueError, match=r"shape \(height, width\), not \(8, 8, 1\)"):
        ssim(good[..., None], good)
    with pytest.raises(ValueError, match="the pictures have the shapes"):
        ssim(good, good[:7])
    with pytest.raises(ValueError, match="at least 7 x 7 pixels"):
        ssim(good[:6], good[:6])


@pytest.mark.frameworks
def test_similarity_is_scikit_images(keyframe_files: list[Path]) -> None:
    metrics = pytest.importorskip("skimage.metrics")
    random = np.random.default_rng(3)
    pairs = [
        (
            random.integers(0, high, size, dtype=np.uint8),
            random.integers(0, 256, size, dtype=np.uint8),
        )
        for size in ((7, 7), (7, 40), (33, 8), (64, 65), (100, 131))
        for high in (1, 2, 256)
    ]
    files = [gray(file) for file in keyframe_files[:40]]
    pairs += [(a, b) for a, b in pairwise(files) if a.shape == b.shape]
    assert len(pairs) > 30
    for a, b in pairs:
        assert textbook_fast.structural_similarity(a, b) == pytest.approx(
            metrics.structural_similarity(a, b), abs=1e-4
        )


def test_the_command(
    example: textbook_fast.Dataset,
    example_data: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    images = ["--images", str(example_data / "sample_100_images")]
    page = tmp_path / "statistics.html"
    call = ["stats", example.paths[0], *images, "--similarity", "3", "--html", str(page)]
    assert main(call) == 0
    out = capsys.readouterr().out
    for words in (
        "samples                   100",
        "hours of lessons",
        "images a sample",
        "4 images",
    ):
        assert words in out
    html = page.read_text(encoding="utf-8")
    assert html.count("<svg") == 10
    assert "<script" not in html
    assert "http" not in html.replace("http-equiv", "")
    assert main(["stats", example.paths[0], *images, "--look-at", "all", "--json"]) == 0
    report = json.loads(capsys.readouterr().out)
    assert (report["samples"], report["images_looked_at"]) == (100, 202)
    assert main(["stats", example.paths[0], "--look-at", "x"]) == 1
    assert "--look-at takes a number or 'all', not 'x'" in capsys.readouterr().err
    assert not list(tmp_path.glob(".statistics*"))
