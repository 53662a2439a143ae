"""docs/llava.md gives the texts and pixels of the authors' dataset class, as docs/format.md
and this file's plain version of its rules describe it.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from test_docs import blocks
from test_readme import ROOT, _in_a_copy

import textbook_fast

__all__ = ["_in_a_copy"]  # the fixture

MEAN = np.array((0.48145466, 0.4578275, 0.40821073), np.float32)
STD = np.array((0.26862954, 0.26130258, 0.27577711), np.float32)


def plain_text(record: dict[str, Any]) -> str:
    """The rules one after another, on lists and strings alone."""
    assert len(record["images"]) == len(record["texts"])
    slots: list[str | None] = []
    images = 0
    for position, (path, words) in enumerate(zip(record["images"], record["texts"], strict=True)):
        assert (path is None) != (words is None)
        if path is None:
            slots.append(words.replace("<image>", "image"))
            continue
        is_valid = record.get("valid_image", [True] * len(record["images"]))[position]
        images += is_valid
        slots.append("<image>" if is_valid and images <= 12 else None)
    out = ""
    for slot in slots:
        if not slot:
            continue
        if slot == "<image>":
            out = out.removesuffix(" ")
            out += " <image>" if out.endswith("<image>") else "<image>"
        else:
            is_after_image = out.endswith("<image>")
            out += slot.removeprefix(" ") if is_after_image else (" " + slot if out else slot)
    return out + "</s>"


def plain_pixels(record: dict[str, Any], folder: Path) -> Any:
    out = np.zeros((12, 3, 336, 336), dtype=np.float32)
    place = 0
    for position, path in enumerate(record["images"]):
        is_valid = record.get("valid_image", [True] * len(record["images"]))[position]
        if path is None or not is_valid or place == 12:
            continue
        image = Image.open(folder / Path(path).name).convert("RGB")
        square = np.asarray(image.resize((336, 336), Image.Resampling.BICUBIC))
        scaled = square.astype(np.float32) / np.float32(255)
        out[place] = ((scaled - MEAN) / STD).transpose(2, 0, 1)
        place += 1
    return out


@pytest.mark.usefixtures("_in_a_copy")
def test_the_page_gives_the_same_texts_and_pixels(tmp_path: Path) -> None:
    (program,) = blocks("llava.md")
    page: dict[str, Any] = {}
    exec(compile(program, "llava.md", "exec"), page)  # noqa: S102
    folder = ROOT / "example_data" / "sample_100_images"
    records = json.loads((ROOT / "example_data" / "textbook_sample_100.json").read_text())
    names = sorted(path.name for path in folder.iterdir())
    many = {
        "images": [*names[:5], None, *names[5:15], None],
        "texts": [None] * 5 + ["has a literal <image> in it"] + [None] * 10 + ["and an end "],
        "text_ocr_list": [None] * 17,
    }
    valid = {
        "images": [names[0], names[1], None, None, names[2]],
        "texts": [None, None, "said", "", None],
        "valid_image": [True, False, True, True, True],
    }
    records = [*records[:12], many, valid, {"images": [None], "texts": ["words alone"]}]
    path = tmp_path / "c.json"
    path.write_text(json.dumps(records))
    ds = textbook_fast.open(path, images=folder, transform=page["clip"])
    literal = 0
    for sample, record in zip(ds, records, strict=True):
        text, pixels = page["text"](sample), page["pixels"](sample)
        assert text == plain_text(record)
        assert np.array_equal(pixels, plain_pixels(record, folder))
        literal += text.count("literal image in")
    assert literal == 1
    texts, images = page["collate"](list(ds[10:14]))
    assert (len(texts), images.shape) == (4, (4, 12, 3, 336, 336))
    assert texts[2].count("<image>") == 12
