"""How far Hugging Face's torchvision backend is from its PIL backend, which we equal.

Needs the test-frameworks extra: ``python benches/compare_processors.py FOLDER_OF_JPEGS``.
"""

from __future__ import annotations

import importlib
import math
import sys
from pathlib import Path
from typing import Any

import numpy as np

import textbook_fast
from textbook_fast import ImageTransform, Patches

CASES: list[tuple[str, str, dict[str, Any]]] = [
    (
        "clip",
        "CLIPImageProcessor",
        {"size": {"shortest_edge": 336}, "crop_size": {"height": 336, "width": 336}},
    ),
    ("siglip", "SiglipImageProcessor", {"size": {"height": 384, "width": 384}}),
    ("llava", "LlavaImageProcessor", {"do_pad": True}),
    ("idefics2", "Idefics2ImageProcessor", {"do_pad": False}),
    ("qwen2_vl", "Qwen2VLImageProcessor", {}),
]


def main() -> None:
    files = sorted(Path(sys.argv[1]).rglob("*.jpg"))[:40]
    images = [textbook_fast.decode_jpeg(file.read_bytes()) for file in files]
    print(f"{len(images)} images, in levels of 8 bits")
    for module, name, settings in CASES:
        path = f"transformers.models.{module}.image_processing_{module}"
        theirs: Any = getattr(importlib.import_module(path), name)(**settings)
        ours: Any = ImageTransform.from_processor(theirs)
        most, squares, count = 0.0, 0.0, 0
        for image in images:
            made = ours(image)
            patches = isinstance(made, Patches)
            found = made.values if patches else made
            result = theirs([image], return_tensors="np", input_data_format="channels_last")
            other = np.asarray(result["pixel_values"]).reshape(found.shape)
            difference = np.abs(found.astype(np.float64) - other)
            # (3, height, width), or patches with their channels first.
            by_channel = difference.reshape(
                -1, 3, difference.size // 3 // (len(found) if patches else 1)
            )
            levels = by_channel * np.array(ours.std)[:, None] * 255
            most = max(most, float(levels.max()))
            squares += float((levels**2).sum())
            count += levels.size
        psnr = math.inf if squares == 0 else 10 * math.log10(255**2 * count / squares)
        print(f"{name}: maximum {most:.2f}, PSNR {psnr:.1f} dB")


if __name__ == "__main__":
    main()
