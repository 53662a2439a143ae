"""Makes pictures to measure on, unlike keyframes: little of them is flat.

python benches/make_pictures.py KEYFRAMES OUT: noisy frames of quality 95 with standard tables
(4:2:0), and photograph-like pictures in 4:4:4 and 4:2:2 with quality 90, in a folder each.
Needs Pillow and NumPy. The same numbers each time.
"""

import sys
from pathlib import Path

import numpy as np
from PIL import Image


def main() -> None:
    """Every ninth keyframe, with noise and smooth light laid over it."""
    source, target = map(Path, sys.argv[1:])
    rng = np.random.default_rng(4)
    kinds = {"q95_420": (95, "4:2:0"), "photo_444": (90, "4:4:4"), "photo_422": (90, "4:2:2")}
    for kind in kinds:
        (target / kind).mkdir(parents=True, exist_ok=True)
    for number, path in enumerate(sorted(source.glob("**/*.jpg"))[::9]):
        pixels = np.asarray(Image.open(path).convert("RGB"), dtype=np.float32)
        height, width, _ = pixels.shape
        coarse = rng.normal(0, 60, (12, 20, 3)).astype(np.float32)
        light = np.stack(
            [
                np.asarray(
                    Image.fromarray(coarse[..., c]).resize(
                        (width, height), Image.Resampling.BICUBIC
                    )
                )
                for c in range(3)
            ],
            axis=-1,
        )
        noise = rng.normal(0, 5, pixels.shape[:2])[..., None]
        image = Image.fromarray((pixels + light + noise).clip(0, 255).astype(np.uint8))
        for kind, (quality, subsampling) in kinds.items():
            image.save(target / kind / f"{number:03}.jpg", quality=quality, subsampling=subsampling)


if __name__ == "__main__":
    main()
