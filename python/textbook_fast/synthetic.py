"""Corpora of the real proportions, made up: for benchmarks of any size.

A sample has 10.7 images and some 20 kB of JSON on average, as the dataset's. The
pictures are links to given JPEG files, so several names stand for one file.
"""

from __future__ import annotations

import itertools
import json
import os
import random
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Literal, TypeAlias

__all__ = ["Layout", "link_images", "records", "write_corpus"]

Layout: TypeAlias = Literal["indent", "compact", "lines"]

PREFIX = "/mnt/workspace/interleaved_dataset/dataset_images_interval_7"
ALPHABET = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
WORDS = (
    "so now we take the second equation and put it into first one because that is what "
    "gives us an answer for x which looks like this if you remember from last time where "
    "energy of system stays same velocity angle triangle function matrix vector cell "
    "reaction number equals 3.14 derivative integral probability sample let's "
    "see what happens when you draw a line through both points and look at slope there"
).split()
# As in example_data/: few texts of speech have characters beyond ASCII, more of what is
# read from the screen.
BEYOND_ASCII = "naïve “quoted” café π ≈ √2 → ≤ θ µ".split()
SHARE_IN_SPEECH = 0.02
SHARE_IN_OCR = 0.17
# Of the card's figures: images a sample, words of speech for each of them.
MEAN_IMAGES = 10.7
MEAN_WORDS = 100
IMAGE_TOKENS = 576
# So many different samples are made for a large file; then they repeat.
DISTINCT = 2000


def records(count: int, *, seed: int = 0) -> Iterator[dict[str, Any]]:
    """`count` samples as dicts, all different, the same for the same seed."""
    rng = random.Random(seed)  # noqa: S311
    for _ in range(count):
        yield _record(rng)


def _record(rng: random.Random) -> dict[str, Any]:
    vid = "".join(rng.choices(ALPHABET, k=11))
    clock = rng.randrange(0, 500_000) / 100
    images: list[str | None] = []
    texts: list[str | None] = []
    ocr: list[str | None] = []
    metadata: list[dict[str, Any]] = []
    image_num = min(40, max(1, round(rng.lognormvariate(2.2, 0.6))))
    for _ in range(image_num):
        end = clock + rng.uniform(5, 25)
        images += [f"{PREFIX}/{vid}/{vid}@{clock}_{end}#{rng.randint(1, 3)}.jpg", None]
        said = _text(rng, max(5, int(rng.expovariate(1 / MEAN_WORDS))), SHARE_IN_SPEECH)
        read = _text(rng, rng.randrange(5, 40), SHARE_IN_OCR)
        texts += [None, said]
        ocr += [None, f"{said} {read}"]
        clip = {"vid": vid, "start_time": clock, "end_time": end}
        metadata += [clip, clip]
        clock = end
    text_num = sum(len(text.split()) for text in ocr if text) * 4 // 3
    return {
        "images": images,
        "texts": texts,
        "text_ocr_list": ocr,
        "metadata": metadata,
        "image_num": image_num,
        "text_num": text_num,
        "token_num": text_num + IMAGE_TOKENS * image_num,
    }


def _text(rng: random.Random, length: int, share: float) -> str:
    words = rng.choices(WORDS, k=length)
    if rng.random() < share:
        words[rng.randrange(length)] = rng.choice(BEYOND_ASCII)
    return " ".join(words)


def write_corpus(path: Path, count: int, *, layout: Layout = "indent", seed: int = 0) -> None:
    """Writes `count` samples to `path`. Above 2,000 they repeat."""
    distinct = [_render(record, layout) for record in records(min(count, DISTINCT), seed=seed)]
    separator = {"indent": b",\n    ", "compact": b", ", "lines": b"\n"}[layout]
    head, tail = {"indent": (b"[\n    ", b"\n]"), "compact": (b"[", b"]"), "lines": (b"", b"\n")}[
        layout
    ]
    block = separator.join(distinct) + separator
    whole, rest = divmod(count, len(distinct)) if distinct else (0, 0)
    with path.open("wb") as file:
        file.write(head)
        if rest == 0 and whole:
            whole, rest = whole - 1, len(distinct)
        file.writelines(itertools.repeat(block, whole))
        file.write(separator.join(distinct[:rest]))
        file.write(tail)


def _render(record: dict[str, Any], layout: Layout) -> bytes:
    if layout != "indent":
        return json.dumps(record, ensure_ascii=False).encode()
    text = json.dumps(record, ensure_ascii=False, indent=4)
    return text.replace("\n", "\n    ").encode()


def link_images(corpus: Path, folder: Path, pictures: Sequence[Path]) -> None:
    """Makes ``<vid>/<name>`` below `folder` for every image of the corpus: links to the
    pictures, taken in turn.
    """
    samples = json.loads(corpus.read_bytes())
    turn = itertools.cycle([picture.resolve() for picture in pictures])
    for sample in samples:
        for path in sample["images"]:
            if path is None:
                continue
            place = folder.joinpath(*path.rsplit("/", 2)[-2:])
            place.parent.mkdir(parents=True, exist_ok=True)
            if not place.is_symlink():
                os.symlink(next(turn), place)
