"""What the streams of our own writer vary in, and the stream of a case.

A case is a value for each factor; every combination of values makes a stream, so there
are no constraints between them.
"""

from __future__ import annotations

import itertools
import random
import re
import zlib
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import jpeg_write as jw
import numpy as np
from numpy.typing import NDArray

Case = dict[str, Any]
Factors = Mapping[str, Sequence[Any]]

SIZES = range(1, 41)
QUALITIES = range(1, 101)
PICTURES = ("picture", "flat", "noise", "bars")


def seed_of(case: Case) -> int:
    """A number that belongs to the case."""
    return zlib.crc32(repr(sorted(case.items())).encode())


def plane(kind: str, height: int, width: int, rng: np.random.Generator) -> NDArray[np.float64]:
    """One component's picture, 0 to 255."""
    y, x = np.mgrid[:height, :width]
    if kind == "noise":
        return rng.integers(0, 256, (height, width)).astype(np.float64)
    if kind == "bars":  # the ends of the range, side by side
        across, down = rng.integers(1, 6, 2)
        return np.where((x // across + y // down) % 2, 255.0, 0.0)
    pixels = np.full((height, width), float(rng.integers(0, 256)))
    if kind == "flat":
        pixels[height // 2 :, width // 3 :] = rng.integers(0, 256)
        return pixels
    pixels[height // 2 :] = ((x * 5 + y * 7) % 256)[height // 2 :]
    pixels[height // 4 : height // 3 + 1] = rng.integers(0, 256)
    noisy = pixels[:, width // 2 : width // 2 + 5]
    noisy[:] = rng.integers(0, 256, noisy.shape)
    return pixels


SAMPLINGS = (
    *("1x1", "2x1", "1x2", "2x2", "4x1", "1x4", "4x2", "2x4", "4x4", "3x1", "1x3", "3x2", "3x3"),
    *("2x2,1x2,2x1", "2x2,2x1,1x1", "1x1,2x2,1x2", "2x1,1x1,2x1", "4x2,2x1,1x1", "1x1,1x1,2x2"),
    *("2x2,2x2,2x2", "4x1,2x1,1x1", "3x1,1x1,3x1", "4x4,2x2,1x4", "1x2,1x2,1x1", "2x1,2x1,1x1"),
)
COLORS = (
    *("gray", "ycc", "ycc bare", "ycc odd ids", "ycc adobe", "ycc same ids", "rgb adobe"),
    *("rgb ids", "rgb jfif", "cmyk adobe", "cmyk bare", "ycck"),
)
SCRIPTS = ("all", "each", "backwards", "two and one")
PROGRESSIONS = ("usual", "spectral", "deep", "random", "incomplete")
EXTRAS = (
    *("none", "comment", "exif", "fill bytes", "junk", "trailing", "two dqt", "thumbnail"),
    *("unused tables", "dri twice", "restart markers"),
)

WRITER: Factors = {
    "width": SIZES,
    "height": SIZES,
    "quality": QUALITIES,
    "color": COLORS,
    "sampling": SAMPLINGS,
    "coding": ("baseline", "extended", *PROGRESSIONS),
    "scans": SCRIPTS,
    "restart": (0, 0, 1, 2, 3, 7, "row", 65535),
    "tables": ("standard", "absent", "optimized", "comb", "even"),
    "picture": (*PICTURES, "sparse", "corner", "extreme"),
    "bits": (8, 8, 8, 16),
    "extra": EXTRAS,
}


def is_valid_writer(case: Case) -> bool:
    """Whether libjpeg-turbo decodes the stream."""
    factors = _factors(case)
    is_progressive = case["coding"] in PROGRESSIONS
    if case["tables"] == "absent" and is_progressive:
        return False  # no standard tables there
    if case["color"] == "ycc same ids" and (case["scans"] != "all" or is_progressive):
        return False  # a scan of one of them cannot say which
    if case["color"] == "ycc same ids" and sum(h * v for h, v in factors) > 10:
        return False
    # Upsampled by whole factors only.
    return all(max(f[axis] for f in factors) % f[axis] == 0 for f in factors for axis in range(2))


def _factors(case: Case) -> list[tuple[int, int]]:
    given = [(int(part[0]), int(part[2])) for part in case["sampling"].split(",")]
    given += [(1, 1)] * (3 - len(given))
    count = _component_count(case)
    return given[:1] if count == 1 else given + given[:1] * (count - 3)


def _component_count(case: Case) -> int:
    return {"gray": 1, "cmyk": 4, "ycck": 4}.get(case["color"].split()[0], 3)


def writer(case: Case, seed: int | None = None) -> bytes:
    """The stream of a case of `WRITER`, its picture from a seed of its own or this one."""
    seed = seed_of(case) if seed is None else seed
    rng = np.random.default_rng(seed)
    ids, before = _markers(case["color"])
    factors = _factors(case)
    wide = case["bits"] == 16
    tables = [
        jw.quantization(table, case["quality"], 65535 if wide else 255)
        for table in (jw.LUMINANCE, jw.CHROMINANCE)
    ]
    across, down = (max(f[axis] for f in factors) for axis in range(2))
    columns, rows = -(-case["width"] // (8 * across)), -(-case["height"] // (8 * down))
    components = [
        jw.Component(
            number,
            h,
            v,
            int(index > 0),
            _coefficients(case["picture"], rows * v, columns * h, tables[index > 0], rng),
        )
        for index, (number, (h, v)) in enumerate(zip(ids, factors, strict=True))
    ]
    restart = case["restart"] if case["restart"] != "row" else columns
    frame = jw.Frame(
        width=case["width"],
        height=case["height"],
        components=components,
        quantization=tables,
        scans=_scans(case, factors, random.Random(seed)),
        coding={"baseline": jw.BASELINE, "extended": jw.EXTENDED}.get(
            case["coding"], jw.PROGRESSIVE
        ),
        tables=case["tables"],
        restart_interval=restart,
        before=before,
        has_16_bit_quantization=wide,
    )
    data = jw.write(frame)
    if case["extra"] == "restart markers":
        return _with_restart_markers(data)
    return _with_extra(data, case["extra"], has_restarts=restart > 0)


def _markers(color: str) -> tuple[bytes, list[tuple[int, bytes]]]:
    """The components' identifiers, and the segments that tell a color space."""
    jfif = (jw.APP0, b"JFIF\0\1\1\0\0\1\0\1\0\0")
    adobe = [(jw.APP14, b"Adobe\0\x64\0\0\0\0" + bytes((transform,))) for transform in range(3)]
    return {
        "gray": (b"\1", [jfif]),
        "ycc": (b"\1\2\3", [jfif]),
        "ycc bare": (b"\1\2\3", []),
        "ycc odd ids": (b"\0\1\2", []),
        "ycc adobe": (b"RGB", [adobe[1]]),
        "ycc same ids": (b"\1\1\1", [jfif]),
        "rgb adobe": (b"\1\2\3", [adobe[0]]),
        "rgb ids": (b"RGB", []),
        "rgb jfif": (b"RGB", [jfif, adobe[0]]),
        "cmyk adobe": (b"CMYK", [adobe[0]]),
        "cmyk bare": (b"\1\2\3\4", []),
        "ycck": (b"\1\2\3\4", [adobe[2]]),
    }[color]


def _coefficients(
    kind: str, rows: int, columns: int, table: NDArray[np.int64], rng: np.random.Generator
) -> NDArray[np.int64]:
    if kind in PICTURES:
        return jw.transform(plane(kind, rows * 8, columns * 8, rng), table)
    blocks = np.zeros((rows, columns, 64), np.int64)
    # What dequantized values of real pictures stay within.
    largest = np.maximum(1016 // table, 1) if kind != "extreme" else np.full(64, 1023)
    values = rng.integers(-largest, largest + 1, blocks.shape)
    if kind == "sparse":
        chosen = rng.random(blocks.shape) < 0.03
    elif kind == "corner":
        chosen = (np.arange(64) <= rng.integers(0, 12)) & (rng.random(blocks.shape) < 0.5)
    else:
        chosen = rng.random(blocks.shape) < rng.random()
        values = np.where(rng.random(blocks.shape) < 0.5, np.sign(values) * largest, values)
    blocks[chosen] = values[chosen]
    return blocks


def _groups(case: Case, factors: list[tuple[int, int]]) -> list[tuple[int, ...]]:
    """Which components stand in one scan: an MCU has 10 blocks at most."""
    indices = tuple(range(len(factors)))
    blocks = [h * v for h, v in factors]
    if case["scans"] == "all" and sum(blocks) <= 10:
        return [indices]
    if case["scans"] == "two and one" and len(indices) > 1 and blocks[0] + blocks[-1] <= 10:
        return [(0, indices[-1]), *((index,) for index in indices[1:-1])]
    singles: list[tuple[int, ...]] = [(index,) for index in indices]
    return singles[::-1] if case["scans"] == "backwards" else singles


def _scans(case: Case, factors: list[tuple[int, int]], rng: random.Random) -> list[jw.Scan]:
    groups = _groups(case, factors)
    coding = case["coding"]
    if coding in {"baseline", "extended"}:
        return [jw.Scan(group) for group in groups]
    lowest = {"usual": 1, "spectral": 0, "deep": 3}.get(coding, rng.randrange(4))
    first = [jw.Scan(group, 0, 0, 0, lowest) for group in groups]
    bits = range(lowest - 1, -1, -1)
    bands = [[jw.Scan(group, 0, 0, bit + 1, bit) for bit in bits for group in groups]]
    bands += [band for index in range(len(factors)) for band in _bands(coding, index, rng)]
    # The bands in turn, or as it comes; each band's own scans stay in order.
    order = [number for number, band in enumerate(bands) for _ in band]
    if coding in {"random", "incomplete"}:
        rng.shuffle(order)
    queues = [iter(band) for band in bands]
    later = [next(queues[number]) for number in order]
    if coding == "incomplete":  # the decoder smooths what is not known yet
        del later[rng.randrange(len(later)) :]
    return first + later


def _bands(coding: str, index: int, rng: random.Random) -> Iterator[list[jw.Scan]]:
    """The AC scans of a component: for each band of coefficients first the high bits."""
    borders = {"usual": (1, 6, 64), "spectral": (1, 2, 11, 64), "deep": (1, 64)}.get(coding)
    if borders is None:
        borders = (1, *sorted(rng.sample(range(2, 64), rng.randrange(4))), 64)
    for start, end in itertools.pairwise(borders):
        low = {"usual": 2, "spectral": 0, "deep": 3}.get(coding, rng.randrange(4))
        first = jw.Scan((index,), start, end - 1, 0, low)
        refined = (
            jw.Scan((index,), start, end - 1, bit + 1, bit) for bit in range(low - 1, -1, -1)
        )
        yield [first, *refined]


def _with_restart_markers(data: bytes) -> bytes:
    """The stream with two of them, of any number, after the last block of each scan."""
    scan = rb"(\xff\xda.*?)(?=\xff[\xc4\xd9-\xdd\xe0-\xfe])"
    return re.sub(scan, b"\\1\xff\xd3\xff\xd0", data, flags=re.DOTALL)


def _with_extra(data: bytes, extra: str, *, has_restarts: bool) -> bytes:
    """The stream with what decoders have to pass over."""
    head, rest = data[:2], data[2:]
    first_table = rest.index(b"\xff\xdb")
    before, tables = rest[:first_table], rest[first_table:]
    if extra == "fill bytes":
        before, tables = before + b"\xff\xff\xff", tables.replace(b"\xff\xc4", b"\xff\xff\xc4")
    elif extra == "junk":
        tables = tables.replace(b"\xff\xc4", b"junk\x00\xff\xc4", 1)
    elif extra == "trailing":
        tables += b"something else\xff\xd8\xff"
    elif extra == "comment":
        before = jw.segment(jw.COM, b"Lavc58.134.100\0") + before
    elif extra == "exif":
        orientation = b"\x01\x12\x00\x03\x00\x00\x00\x01\x00\x06\x00\x00"
        tiff = b"MM\0*\0\0\0\x08\0\1" + orientation + b"\0\0\0\0"
        before += jw.segment(0xE1, b"Exif\0\0" + tiff)
    elif extra == "thumbnail":
        before += jw.segment(0xE1, data[:2000])
    elif extra == "two dqt":  # the last one counts
        before += jw.segment(jw.DQT, bytes((0, *range(1, 65))))
    elif extra == "unused tables":
        before += jw.segment(jw.DHT, b"\x13" + jw.STANDARD[0x10].content())
        before += jw.segment(jw.DQT, bytes((3, *[9] * 64)))
    elif extra == "dri twice":
        own = b"" if has_restarts else jw.segment(jw.DRI, b"\0\0")
        before += jw.segment(jw.DRI, b"\0\5") + own
    return head + before + tables
