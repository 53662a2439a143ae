"""Streams for the decoder's tests: a pairwise choice of what can vary, and the makers.

A maker writes the stream of a case: our own writer (`jpeg_cases`), Pillow, simplejpeg,
cjpeg, jpegtran, and PyAV (FFmpeg, which wrote the dataset's keyframes).
"""

from __future__ import annotations

import importlib.util
import io
import itertools
import random
import shutil
import subprocess
import tempfile
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from fractions import Fraction
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from jpeg_cases import (
    PICTURES,
    QUALITIES,
    SIZES,
    WRITER,
    Case,
    Factors,
    is_valid_writer,
    plane,
    seed_of,
    writer,
)
from PIL import Image as PillowImage


def pairwise(factors: Factors, seed: int) -> Iterator[Case]:
    """Cases in which every two values of two factors meet at least once.

    Each case is built around a pair that is still to come; of some random fillings the
    one with the most other new pairs is taken.
    """
    rng = np.random.default_rng(seed)
    names = list(factors)
    sizes = [len(factors[name]) for name in names]
    couples = list(itertools.combinations(range(len(names)), 2))
    missing = {pair: np.ones((sizes[pair[0]], sizes[pair[1]]), bool) for pair in couples}
    for first, second in sorted(couples, key=lambda pair: -missing[pair].size):
        todo = rng.permutation(np.argwhere(missing[first, second]))
        for one, other in todo:
            if not missing[first, second][one, other]:
                continue
            tries = np.stack([rng.integers(0, size, 12) for size in sizes], axis=1)
            tries[:, first], tries[:, second] = one, other
            new = sum(missing[a, b][tries[:, a], tries[:, b]].astype(int) for a, b in couples)
            best = tries[int(np.argmax(new))]
            for a, b in couples:
                missing[a, b][best[a], best[b]] = False
            yield {name: factors[name][k] for name, k in zip(names, best, strict=True)}


def draw(factors: Factors, count: int, seed: int) -> Iterator[Case]:
    """Random cases."""
    rng = random.Random(seed)
    for _ in range(count):
        yield {name: rng.choice(values) for name, values in factors.items()}


def picture(case: Case) -> PillowImage.Image:
    """The RGB picture of a case, from its `picture`, `width` and `height`."""
    rng = np.random.default_rng(seed_of(case))
    planes = [plane(case["picture"], case["height"], case["width"], rng) for _ in range(3)]
    return PillowImage.fromarray(np.stack(planes, axis=-1).astype(np.uint8))


# Encoders that are used elsewhere.

PILLOW: Factors = {
    "width": SIZES,
    "height": SIZES,
    "quality": QUALITIES,
    "mode": ("RGB", "RGB", "L", "CMYK", "keep_rgb"),
    "subsampling": (0, 1, 2),
    "optimize": (False, True),
    "progressive": (False, True),
    "restart": (None, ("blocks", 1), ("blocks", 3), ("rows", 1), ("rows", 2)),
    "picture": PICTURES,
}


def pillow(case: Case) -> bytes:
    """Pillow's stream of a case of `PILLOW`."""
    mode = case["mode"]
    image = picture(case)
    options: dict[str, Any] = {key: case[key] for key in ("quality", "optimize", "progressive")}
    if mode == "keep_rgb":
        options["keep_rgb"] = True
    else:
        image = image.convert(mode)
        options["subsampling"] = case["subsampling"]
    if case["restart"]:
        unit, count = case["restart"]
        options[f"restart_marker_{unit}"] = count
    buffer = io.BytesIO()
    image.save(buffer, "JPEG", **options)
    return buffer.getvalue()


SIMPLEJPEG: Factors = {
    "width": SIZES,
    "height": SIZES,
    "quality": QUALITIES,
    "colorspace": ("RGB", "RGB", "GRAY"),
    "colorsubsampling": ("444", "422", "420", "440", "411", "Gray"),
    "fastdct": (False, True),
    "picture": PICTURES,
}


def simplejpeg(case: Case) -> bytes:
    """The stream of simplejpeg of a case of `SIMPLEJPEG`."""
    import simplejpeg as peer

    pixels = np.ascontiguousarray(picture(case))
    if case["colorspace"] == "GRAY":
        pixels = np.ascontiguousarray(pixels[..., :1])
    options = {key: case[key] for key in ("quality", "colorspace", "colorsubsampling", "fastdct")}
    if case["colorspace"] == "GRAY":
        options["colorsubsampling"] = "Gray"
    encoded: bytes = peer.encode_jpeg(pixels, **options)
    return encoded


CJPEG_SCRIPTS = {
    "": "",
    "each": "0;1;2;",
    "two": "0 2;1;",
    "deep": "0,1,2: 0-0, 0, 3; 0,1,2: 0-0, 3, 2; 0,1,2: 0-0, 2, 1; 0,1,2: 0-0, 1, 0;"
    "0: 1-9, 0, 2; 0: 10-63, 0, 2; 1: 1-63, 0, 0; 2: 1-63, 0, 1; 2: 1-63, 1, 0;"
    "0: 1-63, 2, 1; 0: 1-63, 1, 0;",
}
CJPEG: Factors = {
    "width": SIZES,
    "height": SIZES,
    "quality": QUALITIES,
    "sample": (
        *("1x1", "2x1", "1x2", "2x2", "4x1", "1x4", "4x2", "2x4", "3x1", "1x3", "3x2"),
        *("2x2,1x2,2x1", "1x1,2x2,1x2", "2x1,1x1,2x1"),
    ),
    "script": tuple(CJPEG_SCRIPTS),
    "restart": ("", "1B", "3B", "1", "2"),
    "switch": ("", "-optimize", "-progressive", "-grayscale", "-rgb", "-dct fast"),
    "slots": ("0,1,1", "0,0,0"),
    "baseline": (False, True),
    "picture": PICTURES,
}
PROGRAMS = "cjpeg and jpegtran (Debian's libjpeg-turbo-progs)"


def has_programs() -> bool:
    """Whether cjpeg and jpegtran are here."""
    return bool(shutil.which("cjpeg") and shutil.which("jpegtran"))


@cache
def _script_file(text: str) -> str:
    path = Path(tempfile.gettempdir()) / f"textbook_fast_scans_{zlib.crc32(text.encode()):08x}.txt"
    path.write_text(text)
    return str(path)


def _run(command: list[str], data: bytes) -> bytes:
    return subprocess.run(command, input=data, capture_output=True, check=True).stdout


def cjpeg(case: Case) -> bytes:
    """The stream of cjpeg of a case of `CJPEG`."""
    buffer = io.BytesIO()
    picture(case).save(buffer, "PPM")
    command = ["cjpeg", "-quality", str(case["quality"]), "-sample", case["sample"]]
    command += ["-qslots", case["slots"], *case["switch"].split()]
    if case["baseline"]:
        command.append("-baseline")
    if case["restart"]:
        command += ["-restart", case["restart"]]
    script = CJPEG_SCRIPTS[case["script"]]
    fits = sum(int(part[0]) * int(part[2]) for part in case["sample"].split(",")) <= 8
    if case["switch"] not in {"-grayscale", "-progressive"} and not fits:
        script = CJPEG_SCRIPTS["each"]
    if case["switch"] not in {"-grayscale", "-progressive"} and script:
        command += ["-scans", _script_file(script)]
    return _run(command, buffer.getvalue())


JPEGTRAN: Factors = {
    "width": (1, 2, 7, 8, 9, 15, 16, 17, 24, 33, 40),
    "height": (1, 2, 7, 8, 9, 15, 16, 17, 24, 33, 40),
    "quality": QUALITIES,
    "colorspace": ("RGB",),
    "colorsubsampling": ("444", "422", "420", "440", "411"),
    "fastdct": (False,),
    "picture": PICTURES,
    "switch": (
        *("-optimize", "-progressive", "-progressive -restart 3B", "-restart 1B", "-restart 1"),
        *("-grayscale", "-rotate 90", "-flip horizontal", "-transpose -progressive", "-arithmetic"),
        "-copy all -optimize -restart 7B",
    ),
}


def jpegtran(case: Case) -> bytes:
    """A stream of simplejpeg, worked over by jpegtran, of a case of `JPEGTRAN`."""
    return _run(["jpegtran", *case["switch"].split()], simplejpeg(case))


AV: Factors = {
    "width": range(2, 42),
    "height": range(2, 42),
    "quantizer": range(1, 32),
    "format": ("yuvj420p", "yuvj422p", "yuvj444p"),
    "huffman": ("default", "optimal"),
    "threads": (1, 2),
    "picture": PICTURES,
}


def has_av() -> bool:
    """Whether PyAV is here (the dev extra)."""
    return importlib.util.find_spec("av") is not None


def av_mjpeg(case: Case) -> bytes:
    """FFmpeg's stream of a case of `AV`."""
    import av

    codec = av.CodecContext.create("mjpeg", "w")
    assert isinstance(codec, av.VideoCodecContext)
    codec.width, codec.height = case["width"], case["height"]
    codec.pix_fmt = case["format"]
    codec.time_base = Fraction(1, 25)
    codec.thread_count = case["threads"]
    codec.options = {"huffman": case["huffman"]}
    codec.qmin = codec.qmax = case["quantizer"]
    pixels = np.asarray(picture(case))
    frame = av.VideoFrame.from_ndarray(pixels, format="rgb24").reformat(format=case["format"])
    packets = [*codec.encode(frame), *codec.encode(None)]
    return b"".join(bytes(packet) for packet in packets)


@dataclass(frozen=True)
class Maker:
    """Something that writes streams."""

    factors: Factors
    make: Callable[[Case], bytes]
    package: str = ""
    """What it needs beyond the `test` extra."""
    is_here: Callable[[], bool] = lambda: True
    is_valid: Callable[[Case], bool] = lambda _: True
    """Whether a case's stream is decoded, by libjpeg-turbo and by us."""


MAKERS = {
    "writer": Maker(WRITER, writer, is_valid=is_valid_writer),
    "pillow": Maker(PILLOW, pillow),
    "simplejpeg": Maker(SIMPLEJPEG, simplejpeg),
    "cjpeg": Maker(CJPEG, cjpeg, PROGRAMS, has_programs),
    "jpegtran": Maker(
        JPEGTRAN, jpegtran, PROGRAMS, has_programs, lambda case: case["switch"] != "-arithmetic"
    ),
    # With two threads FFmpeg's restart markers do not count on.
    "av": Maker(AV, av_mjpeg, "PyAV (the dev extra)", has_av, lambda case: case["threads"] == 1),
}
