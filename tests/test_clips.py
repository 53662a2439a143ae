"""The corpus's original form: clips, and what becomes of them."""

from __future__ import annotations

import json
import pickle
import zipfile
from pathlib import Path
from typing import Any

import pytest
from conftest import Writer

import textbook_fast
from textbook_fast import ClipSample
from textbook_fast.cli import main

LEAD_IN = "We can see these words from the image by OCR: "


@pytest.fixture
def records(example_data: Path) -> list[dict[str, Any]]:
    with zipfile.ZipFile(example_data / "multimodal_textbook_meta_data.json.zip") as archive:
        (name,) = archive.namelist()
        parsed: list[dict[str, Any]] = json.loads(archive.read(name))
    return parsed


@pytest.fixture
def clips(
    example_data: Path, tmp_path: Path, records: list[dict[str, Any]]
) -> textbook_fast.Dataset:
    path = tmp_path / "multimodal_textbook_meta_data.json"
    path.write_text(json.dumps(records), encoding="utf-8")
    return textbook_fast.open(path, images=example_data / "sample_100_images")


def by_hand(conversations: list[dict[str, Any]], separator: str | None) -> list[tuple[str, str]]:
    """The positions of the interleaved sample, put together naively."""
    rows: list[tuple[str, str]] = []
    after = [] if separator is None else [("text", separator)]
    for clip in conversations:
        if clip["vid"] == "End of a Video":
            rows += after
            continue
        for path in clip.get("keyframe_ssim") or []:
            rows.append(("image", path))
            rows += after if clip["vid"] == "image_text_pair" else []
        ocr = clip.get("ocr_qwen2_vl_72b")
        said = clip.get("refined_asr") or clip.get("asr")
        parts = ([LEAD_IN + ocr] if ocr else []) + ([said] if said else [])
        if parts:
            rows.append(("text", "\n".join(parts).replace("<image>", "image")))
    return rows


def test_the_format_is_recognized(
    clips: textbook_fast.Dataset, records: list[dict[str, Any]]
) -> None:
    assert len(clips) == len(records) == 100
    for sample, expected in zip(clips, records, strict=True):
        assert isinstance(sample, ClipSample)
        assert sample.to_dict() == expected
        assert [clip.record for clip in sample.clips] == expected["conversations"]
        assert sample.token_num == expected["token_num"]
    assert repr(clips[0]).startswith("<textbook_fast.ClipSample 0: ")


def test_the_zip_opens_as_it_is_and_unpacked(
    example_data: Path, tmp_path: Path, records: list[dict[str, Any]]
) -> None:
    name = "multimodal_textbook_meta_data.json"
    packed = tmp_path / f"{name}.zip"
    packed.write_bytes((example_data / packed.name).read_bytes())
    images = example_data / "sample_100_images"
    of_zip = textbook_fast.open(packed, images=images)
    assert main(["unpack", str(packed)]) == 0
    unpacked = textbook_fast.open(tmp_path / name, images=images)
    assert len(of_zip) == len(unpacked) == len(records)
    for one, other, expected in zip(of_zip, unpacked, records, strict=True):
        assert isinstance(one, ClipSample)
        assert isinstance(other, ClipSample)
        assert one.to_dict() == other.to_dict() == expected
        assert one.clips == other.clips
        assert one.to_interleaved().to_dict() == other.to_interleaved().to_dict()
    assert (of_zip[3].image(0) == unpacked[3].image(0)).all()


@pytest.mark.parametrize("separator", ["\n<s>", None])
def test_interleaved_is_what_the_training_code_builds(
    clips: textbook_fast.Dataset, records: list[dict[str, Any]], separator: str | None
) -> None:
    for sample, expected in zip(clips, records, strict=True):
        assert isinstance(sample, ClipSample)
        made = sample.to_interleaved(separator=separator)
        rows = by_hand(expected["conversations"], separator)
        assert [
            ("image", path) if path is not None else ("text", text)
            for path, text in zip(made.image_paths, made.texts, strict=True)
        ] == rows
        assert made.text_ocr_list == made.texts
        assert made.image_num == sum(kind == "image" for kind, _ in rows)
        images = sum(clip.get("image_tokens") or 0 for clip in expected["conversations"])
        assert (made.token_num, made.text_num) == (
            expected["token_num"],
            expected["token_num"] - images,
        )


def test_it_is_a_sample_for_everybody(
    clips: textbook_fast.Dataset, records: list[dict[str, Any]]
) -> None:
    sample = clips[3]
    assert isinstance(sample, ClipSample)
    spoken = sample.to_interleaved(ocr=False, separator=None)
    assert sample.image_paths == spoken.image_paths
    assert sample.texts == spoken.texts
    assert sample.text_ocr_list == sample.to_interleaved(separator=None).text_ocr_list
    assert [image is None for image in sample.images] == [
        path is None for path in sample.image_paths
    ]
    assert [kind for kind, _ in sample.interleaved()] == [
        kind for kind, _ in by_hand(records[3]["conversations"], None)
    ]
    copy = pickle.loads(pickle.dumps(sample))
    assert isinstance(copy, ClipSample)
    assert copy.texts == sample.texts
    assert isinstance(pickle.loads(pickle.dumps(clips))[3], ClipSample)


def test_the_training_text(write_json: Writer) -> None:
    conversations = [
        {"vid": "a", "keyframe_ssim": ["1.jpg", "2.jpg"], "ocr_qwen2_vl_72b": "x <image>",
         "refined_asr": "Said.", "asr": "not this"},
        {"vid": "End of a Video", "clip_path": "", "image_tokens": 0, "token_num": 0},
        {"vid": "image_text_pair", "keyframe_ssim": ["p.jpg"], "asr": "A cat."},
        {"vid": "b", "keyframe_ssim": [], "asr": "No frames."},
    ]  # fmt: skip
    sample = textbook_fast.open(write_json([{"token_num": 9, "conversations": conversations}]))[0]
    assert isinstance(sample, ClipSample)
    assert sample.to_training_text() == (
        f"Image:<image>Image:<image>\n{LEAD_IN}x image\nSaid.Image:<image>\n<s>\nA cat.\nNo frames."
    )
    assert sample.to_training_text(ocr=False, image_token="<i>", separator="|") == (  # noqa: S106
        "Image:<i>Image:<i>\nSaid.Image:<i>|\nA cat.\nNo frames."
    )
    assert [clip.kind for clip in sample.clips] == [
        "clip", "end_of_video", "image_text_pair", "clip",
    ]  # fmt: skip
    assert [clip.vid for clip in sample.clips] == ["a", None, None, "b"]
    assert sample.to_interleaved().texts == [
        None, None, f"{LEAD_IN}x image\nSaid.", "\n<s>", None, "\n<s>", "A cat.", "No frames.",
    ]  # fmt: skip


def test_a_clip_without_frames_is_its_text_alone(write_json: Writer) -> None:
    clips = [{"vid": "a", "asr": "x"}, {"vid": "a", "keyframe_ssim": None, "asr": "y"}, {}]
    sample = textbook_fast.open(write_json([{"conversations": clips}]))[0]
    assert isinstance(sample, ClipSample)
    assert (sample.image_paths, sample.texts) == ([None, None], ["x", "y"])
    assert (sample.image_num, sample.token_num, sample.text_num) == (0, None, None)
    assert sample.images == [None, None]


def test_missing_images_are_dropped_on_request(
    clips: textbook_fast.Dataset, tmp_path: Path
) -> None:
    empty = tmp_path / "empty"
    empty.mkdir()
    sample = textbook_fast.open(clips.paths, images=empty)[0]
    assert isinstance(sample, ClipSample)
    with pytest.raises(textbook_fast.ImageNotFoundError):
        _ = sample.to_interleaved().images
    kept = sample.to_interleaved(drop_missing=True)
    assert (kept.image_num, kept.image_paths) == (0, [None] * len(kept.texts))
    complete = clips[0]
    assert isinstance(complete, ClipSample)
    whole, same = complete.to_interleaved(), complete.to_interleaved(drop_missing=True)
    assert (whole.image_paths, whole.texts) == (same.image_paths, same.texts)


@pytest.mark.parametrize(
    ("conversations", "told"),
    [
        ("3", "field 'conversations': expected a list"),
        ("[3]", "expected a clip, which is an object"),
        ('[{"keyframe_ssim": "a"}]', "field 'keyframe_ssim': expected a list of paths"),
        ('[{"asr": 3}]', "expected a string or null"),
    ],
)
def test_broken_clips_are_told_with_their_place(
    write_json: Writer, conversations: str, told: str
) -> None:
    path = write_json(f'[{{"conversations": []}}, {{"conversations": {conversations}}}]')
    sample = textbook_fast.open(path)[1]
    assert isinstance(sample, ClipSample)
    for touch in (lambda: sample.texts, lambda: sample.clips, sample.to_interleaved):
        with pytest.raises(textbook_fast.RecordError, match=told) as caught:
            touch()
        assert (caught.value.sample, caught.value.position) == (1, 1)


def test_an_interleaved_record_among_clips_is_what_it_is(write_json: Writer) -> None:
    path = write_json('[{"conversations": []}, {"images": [null], "texts": ["said"]}]')
    sample = textbook_fast.open(path)[1]
    assert isinstance(sample, ClipSample)
    assert sample.texts == sample.to_interleaved().texts == ["said"]
    assert sample.clips == []


def test_loaders_and_columns_read_clips(clips: textbook_fast.Dataset) -> None:
    loader = textbook_fast.Loader(clips, batch_size=7)
    loaded = [sample for batch in loader for sample in batch]
    assert [sample.index for sample in loaded] == list(range(100))
    for sample in loaded[:10]:
        assert isinstance(sample, ClipSample)
        expected = [image is not None for image in sample.images]
        assert expected == [path is not None for path in sample.image_paths]
    assert list(clips.column("images")) == [sample.image_num for sample in clips]
    assert list(clips.column("text_num")) == [sample.text_num for sample in clips]
    assert list(clips.column("vid")) == [next(iter(_vids(sample)), "") for sample in clips]


def _vids(sample: textbook_fast.Sample) -> list[str]:
    return [frame.vid for frame in sample.keyframes if frame is not None]
