"""The example data has the form and the properties of the real dataset (docs/format.md)."""

from __future__ import annotations

import ast
import importlib.metadata
import io
import json
import platform
import re
import statistics
import subprocess
import sys
import zipfile
from collections import Counter
from pathlib import Path
from typing import Any

import jpeg_walk
import numpy as np
import pytest
from PIL import Image

import textbook_fast

KEYS = ["images", "texts", "text_ocr_list", "metadata", "image_num", "text_num", "token_num"]
NAME = re.compile(r"([A-Za-z0-9_-]{11})@([0-9.]+)_([0-9.]+)#([1-9][0-9]*)\.jpg")
CLIP_KEYS = [
    "vid",
    "clip_path",
    "asr",
    "extracted_frames",
    "image_tokens",
    "token_num",
    "refined_asr",
    "ocr_internvl_8b",
    "ocr_image",
    "ocr_internvl_8b_deduplicates",
    "keyframe_ssim",
    "asr_token_num",
    "ocr_qwen2_vl_72b",
]
VIDEO_KEYS = [
    "file_path",
    "file_size (MB)",
    "file_name",
    "video_duration",
    "unique",
    "asr_path",
    "asr_len",
    "caption_path",
    "caption_len",
    "search_keyword",
    "title",
    "desc",
    "llm_response",
    "language",
    "asr is repetive",
    "deepseek_score",
    "llama_score",
    "deepseek_score long context",
]
ZIP_MEMBER = "multimodal_textbook_meta_data.json"
# Decoding the symbols of a file takes a while in Python: some of them, of all sizes.
BLOCKS_OF_EVERY = 12
# The keyframes that are drawn anew and compared with the committed ones.
DRAWN_OF_EVERY = 29


@pytest.fixture(scope="module")
def images(example_data: Path) -> Path:
    return example_data / "sample_100_images"


@pytest.fixture(scope="module")
def keyframes(images: Path) -> dict[str, jpeg_walk.Jpeg]:
    """Every committed keyframe, taken apart."""
    return {path.name: jpeg_walk.parse(path.read_bytes()) for path in sorted(images.iterdir())}


@pytest.fixture(scope="module")
def text(example_data: Path) -> str:
    return (example_data / "textbook_sample_100.json").read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def samples(text: str) -> list[dict[str, Any]]:
    loaded: list[dict[str, Any]] = json.loads(text)
    return loaded


@pytest.fixture(scope="module")
def conversations(example_data: Path) -> list[dict[str, Any]]:
    with zipfile.ZipFile(example_data / f"{ZIP_MEMBER}.zip") as archive:
        loaded: list[dict[str, Any]] = json.loads(archive.read(ZIP_MEMBER))
    return loaded


# --- the keyframes as files


def test_number_and_weight_of_the_keyframes(images: Path) -> None:
    sizes = [path.stat().st_size for path in images.iterdir()]
    assert 180 <= len(sizes) <= 220
    assert sum(sizes) <= 10_000_000
    assert 35_000 <= statistics.median(sizes) <= 50_000
    assert min(sizes) >= 5_000
    assert max(sizes) <= 205_000


def test_segments_are_ffmpegs_and_nothing_follows_the_end(
    keyframes: dict[str, jpeg_walk.Jpeg],
) -> None:
    bare = [jpeg_walk.COM, jpeg_walk.DQT, jpeg_walk.DHT, jpeg_walk.SOF0, jpeg_walk.SOS]
    for name, jpeg in keyframes.items():
        # So there is no restart interval, no EXIF, and one segment of each kind.
        assert jpeg.markers in (bare, [jpeg_walk.APP0, *bare]), name
        assert jpeg.restarts == 0, name
        assert jpeg.rest == bytes((0xFF, jpeg_walk.EOI)), name
        assert re.fullmatch(rb"Lavc[0-9.]+\0", jpeg.payload(jpeg_walk.COM)), name


def test_frames_are_baseline_420_in_one_interleaved_scan(
    keyframes: dict[str, jpeg_walk.Jpeg],
) -> None:
    for name, jpeg in keyframes.items():
        frame = jpeg.payload(jpeg_walk.SOF0)
        assert frame[0] == 8, name
        # Component, sampling factors, quantization table: the same table for all three.
        assert frame[5:] == bytes((3, 1, 0x22, 0, 2, 0x11, 0, 3, 0x11, 0)), name
        assert jpeg.payload(jpeg_walk.SOS) == bytes((3, 1, 0x00, 2, 0x11, 3, 0x11, 0, 63, 0)), name


def test_one_quantization_table_that_differs_between_files(
    keyframes: dict[str, jpeg_walk.Jpeg],
) -> None:
    tables = Counter(jpeg.payload(jpeg_walk.DQT) for jpeg in keyframes.values())
    for table in tables:
        assert len(table) == 65
        assert table[0] == 0, "8-bit steps, table 0"
        assert min(table[1:]) > 0
    assert len(tables) >= 10
    assert tables.most_common(1)[0][1] <= 0.4 * len(keyframes)


def test_huffman_tables_are_optimized(keyframes: dict[str, jpeg_walk.Jpeg]) -> None:
    standard = standard_tables()
    for name, jpeg in keyframes.items():
        tables = jpeg.huffman_tables()
        assert sorted(table.place for table in tables) == [0x00, 0x01, 0x10, 0x11], name
        for table in tables:
            codes = table.codes()
            assert len(set(codes.values())) == len(codes) == sum(table.counts), name
            assert (table.counts, table.symbols) != standard[table.place], name
    distinct = {jpeg.payload(jpeg_walk.DHT) for jpeg in keyframes.values()}
    assert len(distinct) >= 0.95 * len(keyframes)


def standard_tables() -> dict[int, tuple[tuple[int, ...], bytes]]:
    """The tables of T.81 annex K.3, out of a file that libjpeg-turbo wrote with them."""
    tables: dict[int, tuple[tuple[int, ...], bytes]] = {}
    buffer = io.BytesIO()
    Image.new("RGB", (16, 16)).save(buffer, "JPEG", optimize=False)
    for segment in jpeg_walk.parse(buffer.getvalue()).segments:
        if segment.marker == jpeg_walk.DHT:
            table = segment.payload
            tables[table[0]] = (tuple(table[1:17]), table[17:])
    assert {place: len(symbols) for place, (_, symbols) in tables.items()} == {
        0x00: 12,
        0x01: 12,
        0x10: 162,
        0x11: 162,
    }
    return tables


def test_most_blocks_are_flat_and_each_code_is_used(
    keyframes: dict[str, jpeg_walk.Jpeg],
) -> None:
    luma = luma_flat = chroma = chroma_flat = 0
    for name, jpeg in list(keyframes.items())[::BLOCKS_OF_EVERY]:
        blocks = jpeg_walk.read_blocks(jpeg)
        luma, luma_flat = luma + blocks.luma, luma_flat + blocks.luma_dc_only
        chroma, chroma_flat = chroma + blocks.chroma, chroma_flat + blocks.chroma_dc_only
        symbols = {table.place: set(table.symbols) for table in jpeg.huffman_tables()}
        # Only a table that was made for this file has no symbol too many.
        assert blocks.used == [symbols[place] for place in (0x00, 0x01, 0x10, 0x11)], name
    # 0.69 and 0.84 of the real ones; these are drawn, and so somewhat flatter.
    assert 0.6 <= luma_flat / luma <= 0.9
    assert 0.75 <= chroma_flat / chroma <= 0.95


def test_nearly_all_files_have_a_jfif_segment(keyframes: dict[str, jpeg_walk.Jpeg]) -> None:
    with_app0 = [jpeg for jpeg in keyframes.values() if jpeg_walk.APP0 in jpeg.markers]
    assert 0.90 <= len(with_app0) / len(keyframes) <= 0.99
    for jpeg in with_app0:
        # Version 1.2, density 1:1 without a unit, no thumbnail.
        assert jpeg.payload(jpeg_walk.APP0) == b"JFIF\0\1\2\0\0\1\0\1\0\0"


def test_sizes_are_mixed_and_one_within_a_sample(
    keyframes: dict[str, jpeg_walk.Jpeg], samples: list[dict[str, Any]]
) -> None:
    sizes = Counter(jpeg.size for jpeg in keyframes.values())
    assert 0.5 <= sizes[1280, 720] / len(keyframes) <= 0.95
    assert {(1278, 720), (960, 720), (1280, 656)} <= set(sizes)
    assert any(width % 16 for width, _ in sizes)
    assert any(height % 16 for _, height in sizes)
    for sample in samples:
        assert len({keyframes[path].size for path in sample["images"] if path}) == 1


# --- the samples


def test_layout_of_the_json(text: str, samples: list[dict[str, Any]]) -> None:
    assert text == json.dumps(samples, ensure_ascii=False, indent=4)
    assert len(samples) == 100
    assert '\\"' in text
    assert "\\\\" in text
    assert "\\n" in text
    assert {"°", "→", "µ"} <= set(text)
    assert max(text) > "\uffff", "an emoji is beyond the basic plane"


def test_lists_are_aligned(samples: list[dict[str, Any]]) -> None:
    for sample in samples:
        assert [key for key in KEYS if key in sample] == list(sample)
        assert set(KEYS) - set(sample) <= {"metadata"}
        images, texts, ocr = sample["images"], sample["texts"], sample["text_ocr_list"]
        assert len(images) == len(texts) == len(ocr) > 0
        for image, said, read in zip(images, texts, ocr, strict=True):
            assert (image is None) != (said is None)
            assert (said is None) == (read is None)
            if said is not None:
                assert said
                assert read.startswith(said + "\n")
                assert len(read) > len(said) + 1
        assert sample["image_num"] == sum(image is not None for image in images) > 0
        assert sample["token_num"] == sample["text_num"] + 576 * sample["image_num"]


def test_samples_vary(samples: list[dict[str, Any]]) -> None:
    counts = Counter(sample["image_num"] for sample in samples)
    assert sum(number for images, number in counts.items() if images >= 10) >= 3
    assert len(counts) >= 4
    in_a_row = [
        sample
        for sample in samples
        if any(a and b for a, b in zip(sample["images"], sample["images"][1:], strict=False))
    ]
    assert len(in_a_row) >= 10


def test_metadata_has_its_forms(samples: list[dict[str, Any]]) -> None:
    forms: Counter[str] = Counter()
    for sample in samples:
        if "metadata" not in sample:
            forms["missing"] += 1
        elif isinstance(sample["metadata"], str):
            forms["string"] += isinstance(json.loads(sample["metadata"]), list)
        elif len(sample["metadata"]) == len(sample["images"]):
            forms["list"] += 1
        else:
            forms["another length"] += 1
    assert sum(forms.values()) == 100
    assert set(forms) == {"missing", "string", "list", "another length"}
    assert forms["list"] > 50


def test_lessons_read_like_lessons(samples: list[dict[str, Any]]) -> None:
    texts = [said for sample in samples for said in sample["texts"] if said]
    assert len(set(texts)) == len(texts), "nothing is said twice"
    assert statistics.mean(len(said.split()) for said in texts) > 12
    subjects = {
        clip["subject"]
        for sample in samples
        for clip in as_list(sample.get("metadata", []))
        if "subject" in clip
    }
    assert len(subjects) >= 7
    assert {"mathematics", "physics", "chemistry", "biology", "computer science"} <= subjects


def as_list(metadata: Any) -> list[dict[str, Any]]:
    loaded: list[dict[str, Any]] = json.loads(metadata) if isinstance(metadata, str) else metadata
    return loaded


def test_paths_are_flat_and_each_file_is_used_once(
    samples: list[dict[str, Any]], images: Path
) -> None:
    paths = Counter(path for sample in samples for path in sample["images"] if path)
    assert set(paths) == {path.name for path in images.iterdir()}
    assert set(paths.values()) == {1}


def test_keyframe_names_have_their_oddities(keyframes: dict[str, jpeg_walk.Jpeg]) -> None:
    vids, numbers, noisy = set(), set(), 0
    for name in keyframes:
        parts = NAME.fullmatch(name)
        assert parts, name
        vid, start, end, number = parts.groups()
        assert [repr(float(start)), repr(float(end))] == [start, end]
        assert float(start) < float(end)
        vids.add(vid)
        numbers.add(int(number))
        noisy += len(start) > 12 or len(end) > 12
    assert len(vids) == 20
    assert any(vid.startswith("-") for vid in vids)
    assert any("_" in vid for vid in vids)
    assert min(numbers) == 1
    assert len(numbers) > 1
    assert noisy >= 20


def test_textbook_fast_reads_what_json_and_pillow_read(
    example_data: Path,
    samples: list[dict[str, Any]],
    images: Path,
    keyframes: dict[str, jpeg_walk.Jpeg],
) -> None:
    ds = textbook_fast.open(example_data / "textbook_sample_100.json")
    assert [sample.to_dict() for sample in ds] == samples
    for sample, expected in zip(ds, samples, strict=True):
        assert sample.image_paths == expected["images"]
        assert sample.texts == expected["texts"]
        for k, (image, path) in enumerate(zip(sample.images, expected["images"], strict=True)):
            if path is None:
                assert image is None
                continue
            assert isinstance(image, np.ndarray)
            assert image.shape == (*reversed(keyframes[path].size), 3)
            assert sample.image_bytes(k) == (images / path).read_bytes()


# --- the dataset's other two kinds of file


def test_video_records_cover_the_lessons(
    example_data: Path, keyframes: dict[str, jpeg_walk.Jpeg]
) -> None:
    videos: list[dict[str, Any]] = []
    for number in (1, 2):
        path = example_data / "video_meta_data" / f"video_meta_data{number}.json"
        part = json.loads(path.read_text(encoding="utf-8"))
        assert part
        videos.extend(part)
    for video in videos:
        assert list(video) == VIDEO_KEYS
        assert isinstance(video["file_size (MB)"], float)
        assert isinstance(video["unique"], bool)
    ends: dict[str, float] = {}
    for name in keyframes:
        vid, _, end, _ = parts_of(name)
        ends[vid] = max(ends.get(vid, 0), float(end))
    files = [video["file_name"] for video in videos]
    assert len(set(files)) == len(files)
    durations = {
        video["file_name"].removesuffix(".mp4"): video["video_duration"] for video in videos
    }
    assert set(durations) == set(ends)
    assert all(ends[vid] <= duration for vid, duration in durations.items())


def parts_of(name: str) -> tuple[str, str, str, str]:
    parts = NAME.fullmatch(name)
    assert parts, name
    vid, start, end, number = parts.groups()
    return vid, start, end, number


def test_the_zip_says_nothing_of_when_it_was_made(example_data: Path) -> None:
    with zipfile.ZipFile(example_data / f"{ZIP_MEMBER}.zip") as archive:
        (member,) = archive.infolist()
    assert member.filename == ZIP_MEMBER
    assert member.date_time == (1980, 1, 1, 0, 0, 0)
    assert member.compress_type == zipfile.ZIP_DEFLATED


def test_clips_are_the_same_lessons(
    conversations: list[dict[str, Any]], samples: list[dict[str, Any]]
) -> None:
    assert len(conversations) == len(samples)
    special: Counter[str] = Counter()
    for record, sample in zip(conversations, samples, strict=True):
        assert list(record) == ["token_num", "conversations"]
        clips = record["conversations"]
        assert record["token_num"] == sum(clip["token_num"] for clip in clips)
        told = [clip for clip in clips if clip["vid"] != "End of a Video"]
        for clip in clips:
            if clip["vid"] == "End of a Video":
                assert list(clip) == ["vid", "clip_path", "image_tokens", "token_num"]
                assert clip["image_tokens"] == clip["token_num"] == 0
            else:
                assert list(clip) == CLIP_KEYS
            if not re.fullmatch(r"[A-Za-z0-9_-]{11}", clip["vid"]):
                special[clip["vid"]] += 1
        frames = [path for clip in told for path in clip["keyframe_ssim"]]
        assert frames == [f"{parts_of(path)[0]}/{path}" for path in sample["images"] if path]
        assert [clip["refined_asr"] for clip in told] == [said for said in sample["texts"] if said]
        read = [f"{clip['refined_asr']}\n{clip['ocr_qwen2_vl_72b']}" for clip in told]
        assert read == [both for both in sample["text_ocr_list"] if both]
    assert set(special) == {"End of a Video", "image_text_pair"}


# --- the script


def test_the_script_makes_the_same_bytes_again(example_data: Path, tmp_path: Path) -> None:
    script = example_data / "make_example_data.py"
    for package, version in pinned(script).items():
        try:
            found = importlib.metadata.version(package)
        except importlib.metadata.PackageNotFoundError:
            pytest.skip(f"{package} {version} is not installed (extra: dev)")
        if found != version:
            pytest.skip(f"{package} {version} is not installed, but {found} (extra: dev)")
    if platform.machine() not in {"x86_64", "AMD64"}:
        pytest.skip("FFmpeg's DCT may round in another way on other processors than x86-64")
    subprocess.run(
        [sys.executable, script, tmp_path, "--every", str(DRAWN_OF_EVERY)], check=True, timeout=300
    )
    made = [path.relative_to(tmp_path) for path in sorted(tmp_path.rglob("*")) if path.is_file()]
    assert sum(path.suffix == ".jpg" for path in made) >= 6
    assert {path.suffix for path in made} == {".jpg", ".json", ".zip", ".ipynb"}
    for path in made:
        ours, theirs = content(example_data / path), content(tmp_path / path)
        assert ours == theirs, f"{path} is another file than the script makes"


def pinned(script: Path) -> dict[str, str]:
    """The versions in the script, read without importing it."""
    for node in ast.parse(script.read_text(encoding="utf-8")).body:
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "PINNED":
            versions: dict[str, str] = ast.literal_eval(node.value)
            assert "av" in versions
            return versions
    raise AssertionError("the script names no versions")


def content(path: Path) -> bytes:
    """A file's bytes; of a zip its member's, since a zlib of another version packs differently."""
    if path.suffix != ".zip":
        return path.read_bytes()
    with zipfile.ZipFile(path) as archive:
        return archive.read(ZIP_MEMBER)
