"""Makes everything in this folder: samples, keyframes, video records, clips, a notebook.

Run it anywhere, with the versions of the `dev` extra (`pip install '.[dev]'`); with others
it says so, since their bytes may differ:

    python example_data/make_example_data.py

The keyframes are drawn by `draw.py` from the lessons in `lessons.py` and encoded by
FFmpeg's mjpeg encoder, as the dataset's are: one thread (several would bring restart
markers and standard tables), optimal Huffman tables, one quantization table, and an APP0
segment where the pixels' aspect ratio is known, which is nearly always.
"""

from __future__ import annotations

import argparse
import importlib.metadata
import io
import json
import string
import sys
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
from numpy.typing import NDArray

sys.path.insert(0, str(Path(__file__).resolve().parent))
from draw import draw
from lessons import LESSONS, Lesson, Step

HERE = Path(__file__).resolve().parent
PINNED = {"av": "18.1.0", "matplotlib": "3.11.2", "numpy": "2.4.6"}
SEED = 20_260_101
IMAGE_TOKENS = 576

# Lessons that are one sample each; the last of them has slides that appear in three steps.
WHOLE = (0, 7, 13)
# How the ten units (keyframe and text) of another lesson become samples.
PARTITIONS = (
    (2, 2, 2, 2, 1, 1),
    (1, 3, 2, 1, 2, 1),
    (4, 1, 1, 2, 1, 1),
    (2, 1, 2, 2, 1, 2),
    (3, 2, 2, 1, 2),
)
SIZES = ((1280, 720),) * 13 + (
    (1278, 720),
    (960, 720),
    (1280, 656),
    (1280, 690),
    (1124, 720),
    (1280, 688),
    (1152, 720),
)
# FFmpeg's quantizer scale; bounds of the search for the wished weight.
COARSEST, FINEST = 24, 1


@dataclass
class Unit:
    """A clip of a video: one keyframe, and what is said and written in it."""

    vid: str
    start: float
    end: float
    number: int
    asr: str
    ocr: str
    step: Step
    part: int
    parts: int
    theme: str
    footer: str
    size: tuple[int, int]
    seed: int
    subject: str = ""
    tags: dict[str, Any] = field(default_factory=dict)

    @property
    def name(self) -> str:
        """The keyframe's file name, its numbers as Python writes them."""
        return f"{self.vid}@{self.start}_{self.end}#{self.number}.jpg"


def make_vid(rng: np.random.Generator, number: int) -> str:
    """A made-up id of YouTube's kind; some begin with a hyphen or hold an underscore."""
    letters = string.ascii_letters + string.digits + "-_"
    vid = "".join(letters[k] for k in rng.integers(0, 62, 11))
    return {0: f"-{vid[1:]}", 1: f"{vid[:4]}_{vid[5:]}", 2: f"_{vid[1:6]}-{vid[7:]}"}.get(
        number % 5, vid
    )


def units_of(number: int, lesson: Lesson, rng: np.random.Generator) -> list[Unit]:
    """All clips of a lesson, in order."""
    vid = make_vid(rng, number)
    size = SIZES[number]
    clock = float(rng.integers(0, 2500)) + 0.22
    units = []
    for place, step in enumerate(lesson.steps):
        parts = 3 if number == WHOLE[-1] and place < 2 else 2
        texts = [step.spoken, step.later] if parts == 2 else [*halves(step.spoken), step.later]
        for part, asr in enumerate(texts, 1):
            end = clock + len(asr.split()) * 0.42 + 2.3
            visible = step.lines[: max(1, -(-len(step.lines) * part // parts))]
            units.append(
                Unit(
                    vid,
                    clock,
                    end,
                    1 + int(rng.integers(6) == 0),
                    asr,
                    "\n".join([step.title, *visible]),
                    step,
                    part,
                    parts,
                    lesson.theme,
                    f"{lesson.title} · {place + 1}/5",
                    size,
                    number * 100 + place * 7,
                    lesson.subject,
                )
            )
            clock = end + float(rng.integers(3)) * 0.36
    return units


def halves(text: str) -> tuple[str, str]:
    """A text cut after its first sentence."""
    first, _, rest = text.partition(". ")
    return f"{first}.", rest or "So."


def samples_of(number: int, units: list[Unit]) -> Iterator[list[Unit]]:
    """The units of a lesson, cut into samples."""
    if number in WHOLE:
        yield units
        return
    ordinary = [k for k in range(len(LESSONS)) if k not in WHOLE]
    partition = PARTITIONS[ordinary.index(number) % 5 if ordinary.index(number) < 15 else 0]
    if ordinary.index(number) in {1, 7}:
        partition = PARTITIONS[4]
    at = 0
    for count in partition:
        yield units[at : at + count]
        at += count


def sample_json(units: list[Unit], number: int) -> dict[str, Any]:
    """The record of a sample."""
    rows: list[tuple[str | None, str | None, str | None, dict[str, Any]]] = []
    waiting: list[Unit] = []
    for place, unit in enumerate(units):
        clip = {"vid": unit.vid, "start_time": unit.start, "end_time": unit.end}
        rows.append((unit.name, None, None, clip))
        waiting.append(unit)
        # Now and then two keyframes come in a row, and then what was said to both.
        if (number * 7 + place) % 6 == 4 and place + 1 < len(units):
            continue
        for said in waiting:
            clip = {
                "vid": said.vid,
                "start_time": said.start,
                "end_time": said.end,
                "subject": said.subject,
            }
            rows.append((None, said.asr, f"{said.asr}\n{said.ocr}", clip))
        waiting = []
    words = sum(len(row[2].split()) for row in rows if row[2])
    images, texts = len(units), words * 4 // 3
    record: dict[str, Any] = {
        "images": [row[0] for row in rows],
        "texts": [row[1] for row in rows],
        "text_ocr_list": [row[2] for row in rows],
        "metadata": [row[3] for row in rows],
        "image_num": images,
        "text_num": texts,
        "token_num": texts + IMAGE_TOKENS * images,
    }
    if number % 10 == 3:
        record["metadata"] = json.dumps(record["metadata"], ensure_ascii=False)
    elif number % 20 == 11:
        del record["metadata"]
    elif number % 20 == 15:
        record["metadata"] = record["metadata"][::2]
    return record


def encode(pixels: NDArray[np.uint8], quantizer: int, *, has_aspect: bool) -> bytes:
    """A JPEG as FFmpeg writes it."""
    context = av.CodecContext.create("mjpeg", "w")
    assert isinstance(context, av.VideoCodecContext)
    context.height, context.width = pixels.shape[:2]
    context.pix_fmt = "yuvj420p"
    context.time_base = Fraction(1, 25)
    context.thread_count = 1
    context.options = {"huffman": "optimal"}
    context.qmin = context.qmax = quantizer
    if has_aspect:
        context.sample_aspect_ratio = Fraction(1, 1)
    frame = av.VideoFrame.from_ndarray(pixels, format="rgb24").reformat(format="yuvj420p")
    (packet,) = [*context.encode(frame), *context.encode(None)]
    return bytes(packet)


def keyframe(unit: Unit) -> bytes:
    """Draws and encodes a keyframe, with the weight that its place in the seed says."""
    rng = np.random.default_rng(SEED + unit.seed * 10 + unit.part)
    pixels = draw(
        unit.step,
        part=unit.part,
        parts=unit.parts,
        theme=unit.theme,
        footer=unit.footer,
        size=unit.size,
        seed=unit.seed,
    )
    wished = float(np.exp(rng.normal(np.log(48_000), 0.5)))
    has_aspect = bool(rng.random() < 0.95)
    quantizers = range(FINEST, COARSEST)
    low, high = 0, len(quantizers) - 1
    while low < high:
        middle = (low + high) // 2
        if len(encode(pixels, quantizers[middle], has_aspect=has_aspect)) > wished:
            low = middle + 1
        else:
            high = middle
    return encode(pixels, quantizers[low], has_aspect=has_aspect)


def all_units() -> list[list[Unit]]:
    """The units of every lesson."""
    rng = np.random.default_rng(SEED)
    return [units_of(number, lesson, rng) for number, lesson in enumerate(LESSONS)]


def video_json(number: int, lesson: Lesson, units: list[Unit]) -> dict[str, Any]:
    """The record of a video, with the dataset's own keys."""
    vid = units[0].vid
    asr = " ".join(unit.asr for unit in units)
    return {
        "file_path": f"videos/{vid}.mp4",
        "file_size (MB)": round(11.7 + 3.1 * number, 2),
        "file_name": f"{vid}.mp4",
        "video_duration": units[-1].end + 31.5,
        "unique": True,
        "asr_path": f"asr/{vid}.json",
        "asr_len": len(asr),
        "caption_path": f"captions/{vid}.json",
        "caption_len": len(asr) // 3,
        "search_keyword": f"{lesson.subject} {lesson.title.lower()}",
        "title": f"{lesson.title} | {lesson.subject.capitalize()} for beginners",
        "desc": f"A short lesson in {lesson.subject}: {lesson.title.lower()}, in five steps.",
        "llm_response": "Yes, it teaches the topic.",
        "language": "en",
        "asr is repetive": False,
        "deepseek_score": 7 + number % 3,
        "llama_score": 6 + number % 4,
        "deepseek_score long context": 7 + (number + 1) % 3,
    }


def clip_json(unit: Unit, vid: str) -> dict[str, Any]:
    """The record of a clip in the corpus's original form."""
    frame = f"{unit.vid}/{unit.name}"
    tokens = len(unit.asr.split()) * 4 // 3
    return {
        "vid": vid,
        "clip_path": f"clips/{unit.vid}/{unit.vid}@{unit.start}_{unit.end}.mp4",
        "asr": unit.asr.lower(),
        "extracted_frames": [frame],
        "image_tokens": IMAGE_TOKENS,
        "token_num": tokens + IMAGE_TOKENS,
        "refined_asr": unit.asr,
        "ocr_internvl_8b": unit.ocr,
        "ocr_image": [frame],
        "ocr_internvl_8b_deduplicates": unit.ocr.split("\n", 1)[-1],
        "keyframe_ssim": [frame],
        "asr_token_num": tokens,
        "ocr_qwen2_vl_72b": unit.ocr,
    }


def clips_json(samples: list[list[Unit]]) -> list[dict[str, Any]]:
    """All samples as conversations of clips."""
    corpus = []
    for number, units in enumerate(samples):
        pair = number % 25 == 9
        clips = [clip_json(unit, "image_text_pair" if pair else unit.vid) for unit in units]
        if number % 4 == 3:
            clips.append(
                {"vid": "End of a Video", "clip_path": "", "image_tokens": 0, "token_num": 0}
            )
        corpus.append(
            {"token_num": sum(clip["token_num"] for clip in clips), "conversations": clips}
        )
    return corpus


def notebook() -> dict[str, Any]:
    """The notebook that shows samples, without outputs."""
    cells = (
        (
            "markdown",
            "# Looking at interleaved samples\n\nRun it in this folder. `ds[i]` reads one sample; its images are decoded when they are touched.",
        ),
        ("code", 'import textbook_fast\n\nds = textbook_fast.open("textbook_sample_100.json")\nds'),
        (
            "markdown",
            "## A sample\n\nKeyframes and texts in reading order, with a link to the second of the video. Unfold what can be read in a keyframe beside what is said.",
        ),
        ("code", "ds[0]"),
        ("markdown", "## The same as data"),
        (
            "code",
            'sample = ds[0]\nfor kind, item in sample.interleaved():\n    print(item if kind == "text" else f"[image {item.shape[1]} x {item.shape[0]}]")',
        ),
        (
            "markdown",
            "`image_bytes` gives the JPEG as it is in the folder, which a notebook can show.",
        ),
        (
            "code",
            "from IPython.display import Image, display\n\nfor k, path in enumerate(sample.image_paths):\n    if path is not None:\n        display(Image(data=sample.image_bytes(k), width=480))",
        ),
        (
            "markdown",
            "## Looking for something\n\n`textbook-fast view textbook_sample_100.json` does the same in the browser.",
        ),
        (
            "code",
            'for index, item, excerpt in ds.search("light", limit=5):\n    print(f"sample {index}, position {item}: {excerpt}")\n\nphysics = ds.filter_videos(keyword="physics")\nphysics',
        ),
        ("markdown", "## All samples at a glance"),
        (
            "code",
            'images = [sample.image_num for sample in ds]\ntokens = [sample.token_num for sample in ds]\nprint(f"{len(ds)} samples, {sum(images)} images, {sum(tokens):,} tokens")\nprint(ds.statistics())',
        ),
    )
    made: list[dict[str, Any]] = []
    for number, (kind, source) in enumerate(cells):
        cell: dict[str, Any] = {
            "cell_type": kind,
            "id": f"cell-{number}",
            "metadata": {},
            "source": source,
        }
        if kind == "code":
            cell |= {"execution_count": None, "outputs": []}
        made.append(cell)
    kernel = {"display_name": "Python 3", "language": "python", "name": "python3"}
    return {"cells": made, "metadata": {"kernelspec": kernel}, "nbformat": 4, "nbformat_minor": 5}


def write_json(path: Path, value: Any, indent: int) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(value, ensure_ascii=False, indent=indent), encoding="utf-8")


def write_zip(path: Path, name: str, value: Any) -> None:
    """A zip file with one member and no time in it but the format's first."""
    data = json.dumps(value, ensure_ascii=False, indent=4).encode()
    member = zipfile.ZipInfo(name, date_time=(1980, 1, 1, 0, 0, 0))
    member.compress_type = zipfile.ZIP_DEFLATED
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr(member, data, compresslevel=9)
    path.write_bytes(buffer.getvalue())


def main() -> None:
    """Writes all files, into this folder or the one given."""
    parser = argparse.ArgumentParser(description="Makes the example data.")
    parser.add_argument("out", nargs="?", type=Path, default=HERE, help="folder to write to")
    parser.add_argument("--every", type=int, default=1, help="draw each so many'th keyframe only")
    options = parser.parse_args()
    out: Path = options.out
    for package, version in PINNED.items():
        found = importlib.metadata.version(package)
        if found != version:
            print(f"{package} is {found}, not {version}: the bytes may differ", file=sys.stderr)  # noqa: T201
    lessons = all_units()
    samples = [
        sample for number, units in enumerate(lessons) for sample in samples_of(number, units)
    ]
    # The samples of a video do not lie together in the dataset.
    order = np.random.default_rng(SEED + 1).permutation(len(samples))
    samples = [samples[k] for k in order]
    folder = out / "sample_100_images"
    folder.mkdir(parents=True, exist_ok=True)
    for unit in [unit for units in samples for unit in units][:: options.every]:
        (folder / unit.name).write_bytes(keyframe(unit))
    records = [sample_json(units, number) for number, units in enumerate(samples)]
    write_json(out / "textbook_sample_100.json", records, 4)
    videos = [video_json(k, *pair) for k, pair in enumerate(zip(LESSONS, lessons, strict=True))]
    write_json(out / "video_meta_data" / "video_meta_data1.json", videos[:12], 4)
    write_json(out / "video_meta_data" / "video_meta_data2.json", videos[12:], 4)
    name = "multimodal_textbook_meta_data.json"
    write_zip(out / f"{name}.zip", name, clips_json(samples))
    write_json(out / "show_interleaved_dataset.ipynb", notebook(), 1)


if __name__ == "__main__":
    main()
