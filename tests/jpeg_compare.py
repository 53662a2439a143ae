"""Our decoder beside libjpeg-turbo 3.2.0, as Pillow embeds it, stream by stream.

What counts as a difference is written down in docs/exactness.md; `verdict` is that rule.
"""

from __future__ import annotations

import io
import os
import pickle
import shutil
import subprocess
import sys
import time
import warnings
import zlib
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from PIL import Image as PillowImage
from PIL import ImageFile, UnidentifiedImageError, features

import textbook_fast
from textbook_fast import JpegError, _core, decode_jpeg, decode_jpegs
from textbook_fast.jpeg import Color, Scale, Truncated

REFERENCE = "3.2.0"
# As far as this CPU has them.
_ALL = ("scalar", "avx2", "avx512")
LEVELS = _ALL[: _ALL.index(_core.simd_level()) + 1]
# Streams that claim to be larger than this are not decoded here.
PIXEL_LIMIT = 1 << 20
# Seconds of CPU time that a small stream may take: a hundred times what the slowest ones do.
TIME_LIMIT = 2.0


def check_reference() -> None:
    """The pinned library and no other."""
    version = features.version("libjpeg_turbo")
    assert version == REFERENCE, f"the reference is libjpeg-turbo {REFERENCE}, not {version}"


class Decoded(NamedTuple):
    """Pixels, or what kind of error and where."""

    shape: tuple[int, ...] = ()
    pixels: bytes = b""
    error: str = ""
    offset: int | None = None
    message: str = ""

    def __str__(self) -> str:
        return self.message or f"pixels {self.shape}"


class Wanted(NamedTuple):
    """How a stream is decoded."""

    color: Color = "rgb"
    scale: Scale = 1
    truncated: Truncated = "raise"


class Results(NamedTuple):
    """Of one stream: as it is, in another size or color, and if refused, filled."""

    whole: Decoded
    varied: Decoded
    filled: Decoded | None


WHOLE = Wanted()
FILLED = Wanted(truncated="fill")
VARIED = (
    *(Wanted("rgb", 2), Wanted("rgb", 4), Wanted("rgb", 8), Wanted("gray", 1)),
    *(Wanted("gray", 2), Wanted("gray", 4), Wanted("gray", 8)),
)


def variation(data: bytes) -> Wanted:
    """The other size or color that this stream is decoded in."""
    return VARIED[zlib.crc32(data) % len(VARIED)]


def decode(data: bytes) -> Results:
    """Ours, in all ways."""
    whole = decode_as(data, WHOLE)
    filled = decode_as(data, FILLED) if whole.error else None
    return Results(whole, decode_as(data, variation(data)), filled)


def decode_as(data: bytes, wanted: Wanted) -> Decoded:
    """Ours. Every byte of the pixels has to be written, whatever was there before."""
    textbook_fast.MAX_IMAGE_PIXELS = PIXEL_LIMIT
    begin = time.process_time()
    options = wanted._asdict()
    try:
        with warnings.catch_warnings(action="ignore"):
            image = decode_jpeg(data, **options)
            for value in (0x00, 0xA5):
                other = decode_jpeg(data, **options, out=np.full_like(image, value))
                assert (other == image).all(), "memory shows through"
    except JpegError as error:
        result = Decoded(error=error.kind, offset=error.offset, message=str(error))
    else:
        result = Decoded(image.shape, image.tobytes())
    assert result.error != "bug", result.message
    assert time.process_time() - begin < TIME_LIMIT, "it took too long"
    return result


def pillow(data: bytes, wanted: Wanted = WHOLE) -> Decoded:
    """The reference's pixels."""
    ImageFile.LOAD_TRUNCATED_IMAGES = wanted.truncated == "fill"
    try:
        with (
            warnings.catch_warnings(action="ignore"),
            PillowImage.open(io.BytesIO(data), formats=["JPEG"]) as image,
        ):
            if image.width * image.height > PIXEL_LIMIT:
                return Decoded(error="too_many_pixels")
            _draft(image, wanted)
            pixels = np.asarray(image.convert("L" if wanted.color == "gray" else "RGB"))
    except (OSError, SyntaxError, ValueError) as error:
        kind = "unidentified" if isinstance(error, UnidentifiedImageError) else "refused"
        return Decoded(error=kind, message=str(error))
    return Decoded(pixels.shape, pixels.tobytes())


def _draft(image: Any, wanted: Wanted) -> None:
    """What `draft` does, which leaves tiny pictures alone."""
    if wanted[:2] == WHOLE[:2]:
        return
    mode, rest = image.tile[0].args
    size = -(-image.width // wanted.scale), -(-image.height // wanted.scale)
    if wanted.color == "gray" and image.mode == "RGB" and mode == "RGB":
        image._mode = mode = "L"
    image._size = size
    image.tile = [image.tile[0]._replace(extents=(0, 0, *size), args=(mode, rest))]
    image.decoderconfig = (wanted.scale, 0)


def warning_of(data: bytes) -> str:
    """What libjpeg-turbo warns of, or refuses; nothing where the stream is clean to it.

    simplejpeg's 3.1.2 says it; where its interface does not take the stream (rare sampling
    factors), Debian's djpeg, if it is here.
    """
    import simplejpeg

    try:
        simplejpeg.decode_jpeg(data, strict=True)
    except ValueError as error:
        message = str(error)
        if "Could not determine subsampling" not in message:
            return message
    else:
        return ""
    if not shutil.which("djpeg"):
        return "unknown: djpeg is not here"
    run = subprocess.run(["djpeg", "-strict"], input=data, capture_output=True, check=False)
    return run.stderr.decode(errors="replace").strip() if run.returncode else ""


# Errors of ours where libjpeg-turbo neither refuses nor warns: docs/exactness.md names them.
STRICTER = {
    "a run of zeros leads out of its block",
    "its coded data goes on after the last block",
    "bits that are no code of the Huffman table",
    "a component comes in a second scan",
    "a component has no scan",
    "fill bytes before a stuffed zero",
    "comes out of turn",
    "a table has 8 or 16 bits",
    "arithmetic coding is not supported",
}


@dataclass
class Tally:
    """What came of the streams."""

    counts: Counter[str] = field(default_factory=Counter)
    failures: list[tuple[str, bytes]] = field(default_factory=list)

    def fail(self, what: str, data: bytes) -> None:
        """Keeps the stream that shows it."""
        self.failures.append((what, data))

    def __add__(self, other: Tally) -> Tally:
        return Tally(self.counts + other.counts, self.failures + other.failures)


def judge(name: str, data: bytes, results: Results, *, is_valid: bool, tally: Tally) -> None:
    """Compares with the reference by the rule, and counts."""
    ours = results.whole
    if ours.error == "too_many_pixels":
        tally.counts["more pixels than the limit"] += 1
        return
    theirs = pillow(data)
    if not ours.error and not theirs.error:
        tally.counts["equal pixels"] += 1
        if ours[:2] != theirs[:2]:
            tally.fail(f"{name}: other pixels{_where(ours, theirs)}", data)
        _judge_variation(name, data, results.varied, tally)
    elif ours.error and theirs.error:
        tally.counts["both refuse"] += 1
    elif is_valid:
        tally.fail(f"{name}: valid, but {ours if ours.error else theirs}", data)
    elif ours.error:
        _judge_refusal(name, data, ours, tally)
        _judge_filled(data, results.filled, tally)
    elif theirs.error == "unidentified":
        # Pillow's own reader of segments, not libjpeg-turbo.
        tally.counts["Pillow does not see a JPEG, we decode"] += 1
    elif b"\xff\xcc" in data:
        tally.counts["looser: a DAC segment is passed over"] += 1
    else:
        tally.fail(f"{name}: libjpeg-turbo refuses ({theirs.message}), we decode", data)


def _judge_variation(name: str, data: bytes, ours: Decoded, tally: Tally) -> None:
    """The other size or color of a picture whose pixels are to be had."""
    wanted = variation(data)
    theirs = pillow(data, wanted)
    tally.counts[f"{wanted.color}, 1/{wanted.scale}: compared"] += 1
    if ours[:2] != theirs[:2] or ours.error:
        where = "" if ours.error or theirs.error else _where(ours, theirs)
        tally.fail(f"{name}: {wanted}: {ours} instead of {theirs}{where}", data)


def _judge_filled(data: bytes, ours: Decoded | None, tally: Tally) -> None:
    """What is made of broken data is counted: docs/exactness.md says what differs and why."""
    theirs = pillow(data, FILLED)
    if ours is None or ours.error or theirs.error:
        tally.counts["filled: refused"] += 1
    else:
        tally.counts[f"filled: {'equal' if ours[:2] == theirs[:2] else 'other'} pixels"] += 1


def _judge_refusal(name: str, data: bytes, ours: Decoded, tally: Tally) -> None:
    """What we refuse and the reference decodes needs a reason."""
    reason = next((reason for reason in STRICTER if reason in ours.message), None)
    if reason:
        tally.counts[f"stricter: {reason}"] += 1
    elif warning_of(data):
        tally.counts["libjpeg-turbo warns, we refuse"] += 1
    else:
        tally.fail(f"{name}: libjpeg-turbo has no objection, but {ours}", data)


def _where(ours: Decoded, theirs: Decoded) -> str:
    if ours.shape != theirs.shape:
        return f", {ours.shape} instead of {theirs.shape}"
    a, b = (np.frombuffer(result.pixels, np.uint8) for result in (ours, theirs))
    rows = (*ours.shape[:2], -1)
    wrong = np.flatnonzero((a.reshape(rows) != b.reshape(rows)).any(-1))
    y, x = divmod(int(wrong[0]), ours.shape[1])
    return f", {len(wrong)} of them, the first at row {y}, column {x}"


class Level:
    """A process that decodes at one level."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.process = subprocess.Popen(
            [sys.executable, str(Path(__file__).with_name("jpeg_worker.py"))],
            env=os.environ | {"TEXTBOOK_FAST_SIMD": name},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        )

    def decode(self, streams: Sequence[bytes]) -> list[Results]:
        """The results of all, in order."""
        assert self.process.stdin
        assert self.process.stdout
        pickle.dump(streams, self.process.stdin)
        self.process.stdin.flush()
        results: list[Results] = pickle.load(self.process.stdout)
        return results


def start_levels() -> list[Level]:
    """A process for each level."""
    return [Level(name) for name in LEVELS]


Stream = tuple[str, bytes, bool]
"""Its name, its bytes, and whether it is valid."""


def compare(streams: Sequence[Stream], running: Sequence[Level]) -> Tally:
    """Every stream on every level, with one and many threads, beside the reference."""
    tally = Tally()
    data = [stream[1] for stream in streams]
    first, *others = [level.decode(data) for level in running]
    for other, level in zip(others, running[1:], strict=True):
        for (name, encoded, _), one, two in zip(streams, first, other, strict=True):
            if one != two:
                tally.fail(
                    f"{name}: {running[0].name}: {one.whole}, {level.name}: {two.whole}", encoded
                )
    _compare_threads(streams, first, tally)
    for (name, encoded, is_valid), ours in zip(streams, first, strict=True):
        judge(name, encoded, ours, is_valid=is_valid, tally=tally)
    tally.counts["streams"] += len(streams)
    return tally


def _compare_threads(streams: Sequence[Stream], expected: list[Results], tally: Tally) -> None:
    textbook_fast.MAX_IMAGE_PIXELS = PIXEL_LIMIT
    data = [stream[1] for stream in streams]
    for threads in (1, 4):
        results = decode_jpegs(data, threads=threads, on_error="mark")
        for (name, encoded, _), result, (one, _, _) in zip(streams, results, expected, strict=True):
            if isinstance(result, JpegError):
                same = (result.kind, result.offset) == (one.error, one.offset)
            else:
                same = not one.error and result.tobytes() == one.pixels
            if not same:
                tally.fail(f"{name}: another result on {threads} threads", encoded)


def keep_failures(tally: Tally, folder: Path) -> None:
    """Writes the streams that failed, each under the number of its message."""
    folder.mkdir(parents=True, exist_ok=True)
    lines = []
    for number, (what, data) in enumerate(tally.failures[:200]):
        (folder / f"{number}.jpg").write_bytes(data)
        lines.append(f"{number}.jpg {' '.join(what.split())}\n")
    (folder / "failures.txt").write_text("".join(lines))
