"""Make the small JPEG streams of `rust/jpeg/tests/data`, each with its pixels.

Needs Pillow 13.0.0 (libjpeg-turbo 3.2.0, the reference) and `cjpeg`, `jpegtran`
(Debian's libjpeg-turbo-progs) for what Pillow cannot write. Run from the project's root:

    python tests/make_golden.py
"""

from __future__ import annotations

import io
import subprocess
import tempfile
from pathlib import Path

import numpy as np
from PIL import Image, features

DATA = Path(__file__).parent.parent / "rust" / "jpeg" / "tests" / "data"


def picture(width: int, height: int, seed: int) -> Image.Image:
    """A picture with flat areas, edges, gradients and noise."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[:height, :width]
    pixels = np.stack([x * 5, y * 7, (x + y) * 3], axis=-1) % 256
    pixels[: height // 2] = rng.integers(0, 256, 3)
    noisy = pixels[height // 4 : height // 3 + 1]
    noisy[:] = rng.integers(0, 256, noisy.shape)
    return Image.fromarray(pixels.astype(np.uint8))


def flat_picture(width: int, height: int) -> Image.Image:
    """Two flat areas with a box of noise and a line: long runs of equal blocks."""
    pixels = np.full((height, width, 3), (250, 250, 240), np.uint8)
    pixels[height // 2 :, width // 3 :] = (20, 40, 120)
    noise = np.random.default_rng(5).integers(0, 256, (12, 30, 3))
    pixels[height // 3 : height // 3 + 12, width // 2 : width // 2 + 30] = noise
    pixels[:, width - 40 : width - 39, :] = 0
    return Image.fromarray(pixels)


def pillow(image: Image.Image, **options: object) -> bytes:
    """Encode with Pillow."""
    buffer = io.BytesIO()
    image.save(buffer, "JPEG", **options)
    return buffer.getvalue()


def cjpeg(image: Image.Image, *options: str) -> bytes:
    """Encode with cjpeg."""
    buffer = io.BytesIO()
    image.save(buffer, "PPM")
    command = ["cjpeg", *options]
    return subprocess.run(command, input=buffer.getvalue(), capture_output=True, check=True).stdout


def without(data: bytes, *markers: int) -> bytes:
    """Leave out all segments of these markers before the first scan."""
    kept, at = [data[:2]], 2
    while data[at + 1] != 0xDA:
        end = at + 2 + int.from_bytes(data[at + 2 : at + 4], "big")
        if data[at + 1] not in markers:
            kept.append(data[at:end])
        at = end
    return b"".join([*kept, data[at:]])


def streams() -> dict[str, bytes]:
    """All streams, by name."""
    found = {}
    for width, height in [(1, 1), (2, 3), (17, 16), (33, 31), (40, 24), (5, 40), (65, 35)]:
        for sampling in ["1x1", "2x1", "1x2", "2x2", "4x1", "4x2", "1x4"]:
            seed = width * 100 + height
            name = f"{sampling}_{width}x{height}"
            quality = str(30 + seed % 70)
            options = ["-quality", quality, "-sample", sampling]
            if seed % 2:
                options.append("-optimize")
            if seed % 3 == 0:
                options += ["-restart", "2B"]
            found[name] = cjpeg(picture(width, height, seed), *options)
    for sampling in ["1x1", "2x1", "1x2", "2x2"]:
        options = ["-optimize", "-sample", sampling]
        found[f"flat_{sampling}"] = cjpeg(flat_picture(270, 67), *options)
    image = picture(50, 37, 7)
    found["mixed_sampling"] = cjpeg(image, "-sample", "2x2,1x2,2x1")
    found["chroma_larger"] = cjpeg(image, "-sample", "1x1,2x2,1x2")
    found["quality_1"] = pillow(image, quality=1)
    found["quality_100"] = pillow(image, quality=100, subsampling=0)
    found["quantization_16_bit"] = cjpeg(image, "-quality", "1", "-qslots", "0,1,1")
    found["gray"] = pillow(image.convert("L"))
    found["gray_sampling_2x2"] = cjpeg(image, "-grayscale", "-sample", "2x2")
    found["rgb_adobe"] = pillow(image, keep_rgb=True)
    found["rgb_ids"] = without(found["rgb_adobe"], 0xEE, 0xE0)
    found["restart_rows"] = pillow(image, restart_marker_rows=1)
    found["no_app0"] = without(pillow(image), 0xE0)
    found["no_dht"] = without(pillow(image), 0xC4)
    found["fill_bytes"] = found["no_app0"].replace(b"\xff\xdb", b"\xff\xff\xff\xff\xdb")
    found["trailing_bytes"] = found["no_app0"] + b"something else"
    script = Path(tempfile.mkdtemp()) / "scans.txt"
    script.write_text("0;\n1;\n2;\n")
    found["not_interleaved"] = cjpeg(image, "-sample", "2x2", "-scans", str(script))
    script.write_text("0 2;\n1;\n")
    found["partly_interleaved"] = cjpeg(image, "-restart", "3B", "-scans", str(script))
    script.unlink()
    script.parent.rmdir()
    return found


def main() -> None:
    """Write the streams and their pixels."""
    version = features.version("libjpeg_turbo")
    if version != "3.2.0":
        message = f"the reference is libjpeg-turbo 3.2.0, this Pillow has {version}"
        raise SystemExit(message)
    DATA.mkdir(parents=True, exist_ok=True)
    for name, data in streams().items():
        (DATA / f"{name}.jpg").write_bytes(data)
        pixels = Image.open(io.BytesIO(data)).convert("RGB")
        (DATA / f"{name}.rgb").write_bytes(pixels.tobytes())


if __name__ == "__main__":
    main()
