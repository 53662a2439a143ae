"""Make the small JPEG streams of `rust/jpeg/tests/data`, each with its pixels.

Needs Pillow 13.0.0 (libjpeg-turbo 3.2.0, the reference) and `cjpeg`, `jpegtran`
(Debian's libjpeg-turbo-progs) for what Pillow cannot write; what no encoder writes is
made by `jpeg_write`. Run from the project's root:

    python tests/make_golden.py
"""

from __future__ import annotations

import io
import subprocess
import tempfile
from pathlib import Path

import numpy as np
from jpeg_cases import Case, writer
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


def scripted(image: Image.Image, script: str, *options: str) -> bytes:
    """Encode with cjpeg in these scans."""
    with tempfile.NamedTemporaryFile("w", suffix=".txt") as file:
        file.write(script)
        file.flush()
        return cjpeg(image, *options, "-scans", file.name)


def transformed(data: bytes, *options: str) -> bytes:
    """Code a JPEG again with jpegtran."""
    command = ["jpegtran", *options]
    return subprocess.run(command, input=data, capture_output=True, check=True).stdout


def scan_starts(data: bytes) -> list[int]:
    """Where the scans' markers (FF DA) are."""
    return [at for at in range(len(data) - 1) if data[at : at + 2] == b"\xff\xda"]


def first_scans(data: bytes, count: int) -> bytes:
    """The first scans of a JPEG, and the end marker."""
    starts = scan_starts(data)
    cut = starts[count]
    # The tables of the next scan go, too.
    while data.rfind(b"\xff\xc4", starts[count - 1], cut) > 0:
        cut = data.rfind(b"\xff\xc4", starts[count - 1], cut)
    return data[:cut] + b"\xff\xd9"


# Coarse and fine bits of many bands, and both kinds of refinement.
FINE_SCRIPT = """0,1,2: 0-0, 0, 3;
0: 1-2, 0, 4; 0: 3-9, 0, 2; 1: 1-63, 0, 2; 2: 1-5, 0, 3; 2: 6-63, 0, 2;
0,1,2: 0-0, 3, 2; 0: 10-63, 0, 3; 0: 1-2, 4, 3; 0: 10-63, 3, 2; 0: 1-2, 3, 2;
2: 1-5, 3, 2; 0: 1-63, 2, 1; 2: 1-63, 2, 1; 1: 1-63, 2, 1;
0: 0-0, 2, 1; 1: 0-0, 2, 1; 2: 0-0, 2, 1; 0,1,2: 0-0, 1, 0;
2: 1-63, 1, 0; 0: 1-63, 1, 0; 1: 1-63, 1, 0;"""


def ink(mode: str, size: tuple[int, int], luma: int = 0x11, key: int = 0x11) -> bytes:
    """A CMYK or YCCK picture; `mode` is "adobe" (CMYK), "ycck" or "no_adobe" (CMYK)."""
    planes = [picture(*size, seed).convert("L") for seed in (3, 5, 8, 13)]
    data = bytearray(pillow(Image.merge("CMYK", planes), quality=90))
    if mode == "ycck":
        data[data.index(b"Adobe") + 11] = 2
    if mode == "no_adobe":
        data = bytearray(without(bytes(data), 0xEE))
    if luma != 0x11:
        # Pillow writes CMYK without subsampling. The same blocks, a row of them for each
        # component, make four larger MCUs: another picture, but a valid one.
        frame = data.index(b"\xff\xc0")
        data[frame + 11], data[frame + 20] = luma, key
        across, down = luma >> 4, luma & 15
        data[frame + 5 : frame + 9] = (8 * down - 3).to_bytes(2, "big") + (
            4 * 8 * across - 5
        ).to_bytes(2, "big")
    return bytes(data)


def progressive_streams() -> dict[str, bytes]:
    """Progressive ones, complete and not."""
    found = {}
    for number, sampling in enumerate(["1x1", "2x1", "1x2", "2x2", "4x1", "2x4"]):
        width, height = [(1, 1), (65, 35), (33, 50), (49, 47), (70, 20), (40, 70)][number]
        image = picture(width, height, number)
        options = ["-quality", str(40 + 10 * number), "-sample", sampling]
        found[f"progressive_{sampling}"] = cjpeg(image, "-progressive", *options)
        found[f"progressive_fine_{sampling}"] = scripted(image, FINE_SCRIPT, *options)
        if width > 1:
            restarts = ["-restart", "3B"]
            data = scripted(image, FINE_SCRIPT, *options, *restarts)
            found[f"progressive_restarts_{sampling}"] = data
    gray = picture(45, 39, 9).convert("L")
    found["progressive_gray"] = pillow(gray, progressive=True, quality=95)
    found["progressive_gray_2x2"] = cjpeg(gray, "-grayscale", "-progressive", "-sample", "2x2")
    found["progressive_flat"] = pillow(flat_picture(270, 67), progressive=True)
    found["progressive_rgb"] = pillow(picture(30, 20, 4), progressive=True, keep_rgb=True)
    # Block smoothing: no AC coefficients, some, coarse ones.
    for sampling in ["1x1", "2x1", "1x2", "2x2"]:
        image = picture(75, 61, 11)
        data = scripted(image, FINE_SCRIPT, "-sample", sampling)
        for scans in [1, 2, 5, 9, 17, 19]:
            found[f"incomplete_{sampling}_{scans}_scans"] = first_scans(data, scans)
    for width, height in [(8, 8), (16, 24), (24, 16), (17, 33)]:
        data = pillow(picture(width, height, 6), progressive=True, subsampling=2)
        found[f"incomplete_{width}x{height}"] = first_scans(data, 1)
    odd = cjpeg(gray, "-grayscale", "-progressive", "-sample", "2x2")
    found["incomplete_gray_2x2"] = first_scans(odd, 1)
    return found


def ink_streams() -> dict[str, bytes]:
    """CMYK and YCCK."""
    found = {f"cmyk_{mode}": ink(mode, (33, 20)) for mode in ["adobe", "ycck", "no_adobe"]}
    found["cmyk_progressive"] = transformed(found["cmyk_adobe"], "-progressive")
    found["ycck_progressive"] = transformed(found["cmyk_ycck"], "-progressive")
    found["cmyk_2x2"] = ink("adobe", (8 * 7, 8), 0x22)
    found["ycck_2x2"] = ink("ycck", (8 * 10, 8), 0x22, 0x22)
    found["ycck_2x1"] = ink("ycck", (8 * 6, 8), 0x21, 0x21)
    return found


def overflowing_streams() -> dict[str, bytes]:
    """Coefficients that no encoder writes: products and sums that do not fit 16 bits."""
    case: Case = {"width": 37, "height": 29, "quality": 10, "color": "ycc", "sampling": "2x2"}
    case |= {"coding": "baseline", "scans": "all", "restart": 0, "tables": "optimized"}
    case |= {"picture": "extreme", "bits": 8, "extra": "none"}
    changes: dict[str, Case] = {
        "2x2": {},
        "1x1": {"sampling": "1x1"},
        "gray": {"color": "gray", "sampling": "1x1"},
        "progressive": {"coding": "usual"},
        "16_bit": {"coding": "extended", "bits": 16, "quality": 1},
    }
    return {f"overflow_{name}": writer(case | change) for name, change in changes.items()}


def streams() -> dict[str, bytes]:
    """All streams, by name."""
    found = {**progressive_streams(), **ink_streams(), **overflowing_streams()}
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
    noisy = np.random.default_rng(8).integers(0, 256, (37, 100, 3)).astype(np.uint8)
    noisy[:9, :9] = 128
    found["long_code_of_end"] = pillow(
        Image.fromarray(noisy), quality=100, optimize=True, keep_rgb=True
    )
    found["quantization_16_bit"] = cjpeg(image, "-quality", "1", "-qslots", "0,1,1")
    found["gray"] = pillow(image.convert("L"))
    found["gray_sampling_2x2"] = cjpeg(image, "-grayscale", "-sample", "2x2")
    found["rgb_adobe"] = pillow(image, keep_rgb=True)
    found["rgb_ids"] = without(found["rgb_adobe"], 0xEE, 0xE0)
    found["restart_rows"] = pillow(image, restart_marker_rows=1)
    restarts = pillow(image, restart_marker_blocks=2)
    found["restart_after_last"] = restarts[:-2] + b"\xff\xd5\xff\xd5" + restarts[-2:]
    found["no_app0"] = without(pillow(image), 0xE0)
    found["no_dht"] = without(pillow(image), 0xC4)
    found["fill_bytes"] = found["no_app0"].replace(b"\xff\xdb", b"\xff\xff\xff\xff\xdb")
    found["trailing_bytes"] = found["no_app0"] + b"something else"
    found["not_interleaved"] = scripted(image, "0;\n1;\n2;\n", "-sample", "2x2")
    found["partly_interleaved"] = scripted(image, "0 2;\n1;\n", "-restart", "3B")
    found["sampling_3x1"] = cjpeg(image, "-sample", "3x1")
    found["sampling_1x3_progressive"] = cjpeg(image, "-sample", "1x3", "-progressive")
    found["sampling_3x2"] = cjpeg(image, "-sample", "3x2")
    found["sampling_4x4_with_2x2"] = cjpeg(image, "-sample", "2x2,1x1,2x1")
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
