"""Writes JPEG streams from coefficients, for tests: any sampling, any scans, any tables.

Written against ITU-T T.81 and nothing else, so that it needs no encoder and reaches what
encoders do not write: every sampling factor, scans in any order and of any kind, restart
intervals of one block, codes of 16 bits, coefficients at the ends of their range.
"""

from __future__ import annotations

import heapq
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Literal

import numpy as np
from numpy.typing import NDArray

SOI, EOI, SOS, DHT, DQT, DRI = 0xD8, 0xD9, 0xDA, 0xC4, 0xDB, 0xDD
APP0, APP14, COM = 0xE0, 0xEE, 0xFE
BASELINE, EXTENDED, PROGRESSIVE = 0xC0, 0xC1, 0xC2

# T.81 figure A.6, computed: along the diagonals, every other one upwards.
ZIGZAG = np.array(
    sorted(range(64), key=lambda k: (s := k // 8 + k % 8, k // 8 if s % 2 else k % 8))
)

Tables = Literal["standard", "absent", "optimized", "comb", "even"]
"""Which Huffman codes: of T.81 annex K.3; the same, left out of the stream; made for the
scan (annex K.2); as long as 16 bits allow; all of one length."""


@dataclass(frozen=True)
class Component:
    """A component of the frame, with its coefficients."""

    id: int
    horizontal: int
    vertical: int
    quantization: int
    blocks: NDArray[np.int64]
    """Quantized, in zigzag order, of shape (rows of blocks, blocks in a row, 64), with the
    blocks that fill the last MCUs."""


@dataclass(frozen=True)
class Scan:
    """Which components, which coefficients, and which of their bits."""

    components: tuple[int, ...]
    start: int = 0
    end: int = 63
    high: int = 0
    low: int = 0


@dataclass(frozen=True)
class Frame:
    """All that a stream says."""

    width: int
    height: int
    components: list[Component]
    quantization: list[NDArray[np.int64]]
    """In zigzag order."""
    scans: list[Scan]
    coding: int = BASELINE
    tables: Tables = "optimized"
    restart_interval: int = 0
    before: list[tuple[int, bytes]] = field(default_factory=list)
    """Segments before the tables: markers and contents."""
    has_16_bit_quantization: bool = False

    def blocks_of(self, index: int) -> tuple[int, int]:
        """Rows of blocks and blocks in a row of a component, without filling."""
        component = self.components[index]
        across = max(c.horizontal for c in self.components)
        down = max(c.vertical for c in self.components)
        width = -(-self.width * component.horizontal // across)
        height = -(-self.height * component.vertical // down)
        return -(-height // 8), -(-width // 8)

    def mcus(self) -> tuple[int, int]:
        """Rows of MCUs and MCUs in a row of an interleaved scan."""
        across = max(c.horizontal for c in self.components)
        down = max(c.vertical for c in self.components)
        return -(-self.height // (8 * down)), -(-self.width // (8 * across))


def segment(marker: int, content: bytes = b"") -> bytes:
    """A marker with its length and content."""
    return bytes((0xFF, marker)) + (len(content) + 2).to_bytes(2, "big") + content


def write(frame: Frame) -> bytes:
    """The stream."""
    out = [bytes((0xFF, SOI))]
    out += [segment(marker, content) for marker, content in frame.before]
    for index, table in enumerate(frame.quantization):
        wide = frame.has_16_bit_quantization or table.max() > 255
        values = table.astype(">u2" if wide else "u1").tobytes()
        out.append(segment(DQT, bytes((wide << 4 | index,)) + values))
    size = bytes((8, *frame.height.to_bytes(2, "big"), *frame.width.to_bytes(2, "big")))
    described = bytes((len(frame.components),)) + b"".join(
        bytes((c.id, c.horizontal << 4 | c.vertical, c.quantization)) for c in frame.components
    )
    out.append(segment(frame.coding, size + described))
    if frame.restart_interval:
        out.append(segment(DRI, frame.restart_interval.to_bytes(2, "big")))
    defined: set[int] = set()
    for scan in frame.scans:
        out.append(write_scan(frame, scan, defined))
    out.append(bytes((0xFF, EOI)))
    return b"".join(out)


def write_scan(frame: Frame, scan: Scan, defined: set[int]) -> bytes:
    """The scan's Huffman tables, its header and its coded data.

    `defined` are the places of tables of earlier scans; those of this one are added.
    """
    intervals = list(_intervals(frame, scan))
    counts: dict[int, Counter[int]] = {}
    for symbols in intervals:
        for place, symbol, _ in symbols:
            if place >= 0:
                counts.setdefault(place, Counter())[symbol] += 1
    codes: dict[int, dict[int, str]] = {-1: {0: ""}}
    out = []
    for place, counted in sorted(counts.items()):
        spec = _table(frame.tables, place, counted)
        codes[place] = spec.codes()
        if frame.tables == "absent" and spec is STANDARD.get(place) and place not in defined:
            continue
        defined.add(place)
        out.append(segment(DHT, bytes((place,)) + spec.content()))
    listed = b"".join(
        bytes((frame.components[index].id, (index > 0) << 4 | (index > 0)))
        for index in scan.components
    )
    parameters = bytes((scan.start, scan.end, scan.high << 4 | scan.low))
    out.append(segment(SOS, bytes((len(scan.components),)) + listed + parameters))
    for number, symbols in enumerate(intervals):
        if number:
            out.append(bytes((0xFF, 0xD0 | (number - 1) % 8)))
        bits = "".join([codes[place][symbol] + extra for place, symbol, extra in symbols])
        bits += "1" * (-len(bits) % 8)
        coded = int(bits, 2).to_bytes(len(bits) // 8, "big") if bits else b""
        out.append(coded.replace(b"\xff", b"\xff\x00"))
    return b"".join(out)


# A Huffman table's place (class and number, as DHT has it), a symbol, and the bits after
# it. The place -1 is none: bits alone.
Symbol = tuple[int, int, str]


def _intervals(frame: Frame, scan: Scan) -> Iterator[list[Symbol]]:
    """The symbols of each restart interval."""
    coder = _coder(frame, scan)
    symbols: list[Symbol] = []
    for number, mcu in enumerate(_mcus(frame, scan)):
        if frame.restart_interval and number and number % frame.restart_interval == 0:
            coder.end(symbols)
            yield symbols
            symbols = []
        for index, block in mcu:
            coder.block(symbols, index, block)
    coder.end(symbols)
    yield symbols


def _mcus(frame: Frame, scan: Scan) -> Iterator[list[tuple[int, list[int]]]]:
    """The blocks of each MCU (T.81 A.2)."""
    if len(scan.components) == 1:
        (index,) = scan.components
        rows, columns = frame.blocks_of(index)
        if len(frame.components) == 1:
            rows, columns = -(-frame.height // 8), -(-frame.width // 8)
        blocks = frame.components[index].blocks[:rows, :columns].tolist()
        yield from ([(index, block)] for row in blocks for block in row)
        return
    lists = {index: frame.components[index].blocks.tolist() for index in scan.components}
    rows, columns = frame.mcus()
    for y in range(rows):
        for x in range(columns):
            mcu = []
            for index in scan.components:
                c = frame.components[index]
                for v in range(c.vertical):
                    row = lists[index][y * c.vertical + v]
                    mcu += [(index, row[x * c.horizontal + h]) for h in range(c.horizontal)]
            yield mcu


@dataclass
class _Coder:
    """Turns blocks into symbols; `end` is called where a restart interval ends."""

    block: Callable[[list[Symbol], int, list[int]], None]
    end: Callable[[list[Symbol]], None]


def _coder(frame: Frame, scan: Scan) -> _Coder:
    if frame.coding != PROGRESSIVE:
        return _sequential()
    if scan.start == 0:
        return _dc_first(scan.low) if scan.high == 0 else _dc_refine(scan.low)
    return _ac_first(scan) if scan.high == 0 else _ac_refine(scan)


def _bits(value: int, size: int) -> str:
    """The low bits of a value, of a negative one less 1 (T.81 F.1.2.1)."""
    if not size:
        return ""
    return format(value if value >= 0 else value + (1 << size) - 1, f"0{size}b")


def _dc_difference(low: int) -> _Coder:
    predictions: dict[int, int] = {}

    def block(symbols: list[Symbol], index: int, coefficients: list[int]) -> None:
        value = coefficients[0] >> low
        difference = value - predictions.get(index, 0)
        predictions[index] = value
        size = abs(difference).bit_length()
        symbols.append((int(index > 0), size, _bits(difference, size)))

    return _Coder(block, lambda _: predictions.clear())


def _sequential() -> _Coder:
    dc = _dc_difference(0)

    def block(symbols: list[Symbol], index: int, coefficients: list[int]) -> None:
        dc.block(symbols, index, coefficients)
        place, run = 0x10 | (index > 0), 0
        for value in coefficients[1:]:
            if value == 0:
                run += 1
                continue
            while run > 15:
                symbols.append((place, 0xF0, ""))
                run -= 16
            size = abs(value).bit_length()
            symbols.append((place, run << 4 | size, _bits(value, size)))
            run = 0
        if run:
            symbols.append((place, 0, ""))

    return _Coder(block, dc.end)


def _dc_first(low: int) -> _Coder:
    return _dc_difference(low)


def _dc_refine(low: int) -> _Coder:
    def block(symbols: list[Symbol], _: int, coefficients: list[int]) -> None:
        symbols.append((-1, 0, str(coefficients[0] >> low & 1)))

    return _Coder(block, lambda _: None)


class _EndOfBand:
    """A run of blocks that end, with the correction bits that come after it (T.81 G.1.2)."""

    def __init__(self) -> None:
        self.run = 0
        self.corrections = ""
        self.place = 0x10

    def add(self, symbols: list[Symbol], corrections: str = "") -> None:
        self.run += 1
        self.corrections += corrections
        if self.run == 0x7FFF:
            self.flush(symbols)

    def flush(self, symbols: list[Symbol]) -> None:
        if self.run:
            size = self.run.bit_length() - 1
            extra = format(self.run, "b")[1:] + self.corrections
            symbols.append((self.place, size << 4, extra))
            self.run, self.corrections = 0, ""


def _ac_first(scan: Scan) -> _Coder:
    ended = _EndOfBand()

    def block(symbols: list[Symbol], index: int, coefficients: list[int]) -> None:
        ended.place = 0x10 | (index > 0)
        run = 0
        for value in coefficients[scan.start : scan.end + 1]:
            size = (abs(value) >> scan.low).bit_length()
            if size == 0:
                run += 1
                continue
            ended.flush(symbols)
            while run > 15:
                symbols.append((ended.place, 0xF0, ""))
                run -= 16
            shifted = abs(value) >> scan.low
            bits = _bits(shifted if value > 0 else -shifted, size)
            symbols.append((ended.place, run << 4 | size, bits))
            run = 0
        if run:
            ended.add(symbols)

    return _Coder(block, ended.flush)


def _ac_refine(scan: Scan) -> _Coder:
    ended = _EndOfBand()

    def block(symbols: list[Symbol], index: int, coefficients: list[int]) -> None:
        ended.place = 0x10 | (index > 0)
        band = coefficients[scan.start : scan.end + 1]
        shifted = [abs(value) >> scan.low for value in band]
        last_new = max((k for k, value in enumerate(shifted) if value == 1), default=-1)
        run, corrections = 0, ""
        for k, (value, magnitude) in enumerate(zip(band, shifted, strict=True)):
            if magnitude == 0:
                run += 1
                continue
            while run > 15 and k <= last_new:
                ended.flush(symbols)
                symbols.append((ended.place, 0xF0, corrections))
                run, corrections = run - 16, ""
            if magnitude > 1:
                corrections += str(magnitude & 1)
                continue
            ended.flush(symbols)
            sign = "1" if value > 0 else "0"
            symbols.append((ended.place, run << 4 | 1, sign + corrections))
            run, corrections = 0, ""
        if run or corrections:
            ended.add(symbols, corrections)

    return _Coder(block, ended.flush)


@dataclass(frozen=True)
class Huffman:
    """How many codes of each length, 1 to 16, and their symbols in order."""

    counts: tuple[int, ...]
    symbols: bytes

    def content(self) -> bytes:
        """As a DHT segment has it."""
        return bytes(self.counts) + self.symbols

    def codes(self) -> dict[int, str]:
        """The bits of each symbol (T.81 annex C)."""
        codes: dict[int, str] = {}
        code, at = 0, 0
        for length, count in enumerate(self.counts, 1):
            for symbol in self.symbols[at : at + count]:
                codes[symbol] = format(code, f"0{length}b")
                code += 1
            at += count
            assert code < 1 << length or not any(self.counts[length:])
            code <<= 1
        return codes


def _table(kind: Tables, place: int, counted: Counter[int]) -> Huffman:
    if kind in {"standard", "absent"} and set(counted) <= set(STANDARD[place].symbols):
        return STANDARD[place]
    order = [symbol for symbol, _ in counted.most_common()]
    if kind == "comb":
        # One code of each length, as far as 16 bits leave room for the others. The common
        # symbols come last: long codes are what is tested.
        short = 0
        while short < min(len(order), 15) and len(order) - short <= 1 << 15 - short:
            short += 1
        lengths = [*range(1, short + 1)] + [16] * (len(order) - short)
        return _by_lengths(lengths, order[::-1])
    if kind == "even":
        return _by_lengths([len(order).bit_length()] * len(order), order)
    return _by_lengths(sorted(_optimal_lengths(counted)), order)


def _by_lengths(lengths: list[int], order: list[int]) -> Huffman:
    counted = Counter(lengths)
    assert sum(n << 16 - length for length, n in counted.items()) < 1 << 16, "all-ones code"
    return Huffman(tuple(counted[length] for length in range(1, 17)), bytes(order))


def _optimal_lengths(counted: Counter[int]) -> list[int]:
    """Lengths of at most 16 bits that leave the code of all ones free (T.81 K.2)."""
    heap = [(count, number, [symbol]) for number, (symbol, count) in enumerate(counted.items())]
    # A symbol that never comes takes the all-ones code.
    heap.append((0, -1, [256]))
    heapq.heapify(heap)
    lengths = dict.fromkeys([*counted, 256], 0)
    number = len(heap)
    while len(heap) > 1:
        (one, _, left), (two, _, right) = heapq.heappop(heap), heapq.heappop(heap)
        for symbol in left + right:
            lengths[symbol] += 1
        heapq.heappush(heap, (one + two, number, left + right))
        number += 1
    bits = [0] * (max(*lengths.values(), 16) + 1)
    for length in lengths.values():
        bits[length] += 1
    for length in range(len(bits) - 1, 16, -1):
        while bits[length]:
            shorter = length - 2
            while not bits[shorter]:
                shorter -= 1
            bits[length] -= 2
            bits[length - 1] += 1
            bits[shorter + 1] += 2
            bits[shorter] -= 1
    longest = max(length for length in range(17) if bits[length])
    bits[longest] -= 1
    return [length for length, count in enumerate(bits) for _ in range(count)]


def _ac_symbols(text: str) -> bytes:
    return bytes.fromhex(text)


# T.81 tables K.3 to K.6, by their places in DHT.
STANDARD = {
    0x00: Huffman((0, 1, 5, 1, 1, 1, 1, 1, 1, 0, 0, 0, 0, 0, 0, 0), bytes(range(12))),
    0x01: Huffman((0, 3, 1, 1, 1, 1, 1, 1, 1, 1, 1, 0, 0, 0, 0, 0), bytes(range(12))),
    0x10: Huffman(
        (0, 2, 1, 3, 3, 2, 4, 3, 5, 5, 4, 4, 0, 0, 1, 125),
        _ac_symbols(
            "01 02 03 00 04 11 05 12 21 31 41 06 13 51 61 07 22 71 14 32 81 91 a1 08 23 42 b1"
            "c1 15 52 d1 f0 24 33 62 72 82 09 0a 16 17 18 19 1a 25 26 27 28 29 2a 34 35 36 37"
            "38 39 3a 43 44 45 46 47 48 49 4a 53 54 55 56 57 58 59 5a 63 64 65 66 67 68 69 6a"
            "73 74 75 76 77 78 79 7a 83 84 85 86 87 88 89 8a 92 93 94 95 96 97 98 99 9a a2 a3"
            "a4 a5 a6 a7 a8 a9 aa b2 b3 b4 b5 b6 b7 b8 b9 ba c2 c3 c4 c5 c6 c7 c8 c9 ca d2 d3"
            "d4 d5 d6 d7 d8 d9 da e1 e2 e3 e4 e5 e6 e7 e8 e9 ea f1 f2 f3 f4 f5 f6 f7 f8 f9 fa"
        ),
    ),
    0x11: Huffman(
        (0, 2, 1, 2, 4, 4, 3, 4, 7, 5, 4, 4, 0, 1, 2, 119),
        _ac_symbols(
            "00 01 02 03 11 04 05 21 31 06 12 41 51 07 61 71 13 22 32 81 08 14 42 91 a1 b1 c1"
            "09 23 33 52 f0 15 62 72 d1 0a 16 24 34 e1 25 f1 17 18 19 1a 26 27 28 29 2a 35 36"
            "37 38 39 3a 43 44 45 46 47 48 49 4a 53 54 55 56 57 58 59 5a 63 64 65 66 67 68 69"
            "6a 73 74 75 76 77 78 79 7a 82 83 84 85 86 87 88 89 8a 92 93 94 95 96 97 98 99 9a"
            "a2 a3 a4 a5 a6 a7 a8 a9 aa b2 b3 b4 b5 b6 b7 b8 b9 ba c2 c3 c4 c5 c6 c7 c8 c9 ca"
            "d2 d3 d4 d5 d6 d7 d8 d9 da e2 e3 e4 e5 e6 e7 e8 e9 ea f2 f3 f4 f5 f6 f7 f8 f9 fa"
        ),
    ),
}

# T.81 tables K.1 and K.2, in rows.
LUMINANCE = np.array(
    [
        *(16, 11, 10, 16, 24, 40, 51, 61, 12, 12, 14, 19, 26, 58, 60, 55),
        *(14, 13, 16, 24, 40, 57, 69, 56, 14, 17, 22, 29, 51, 87, 80, 62),
        *(18, 22, 37, 56, 68, 109, 103, 77, 24, 35, 55, 64, 81, 104, 113, 92),
        *(49, 64, 78, 87, 103, 121, 120, 101, 72, 92, 95, 98, 112, 100, 103, 99),
    ]
)
CHROMINANCE = np.array(
    [
        *(17, 18, 24, 47, 99, 99, 99, 99, 18, 21, 26, 66, 99, 99, 99, 99),
        *(24, 26, 56, 99, 99, 99, 99, 99, 47, 66, 99, 99, 99, 99, 99, 99),
        *([99] * 32),
    ]
)


def quantization(table: NDArray[np.int64], quality: int, largest: int = 255) -> NDArray[np.int64]:
    """A table for a quality of 1 to 100, scaled as the Independent JPEG Group does."""
    scale = 5000 // quality if quality < 50 else 200 - 2 * quality
    scaled: NDArray[np.int64] = np.clip((table * scale + 50) // 100, 1, largest)[ZIGZAG]
    return scaled


_COSINES = np.cos((2 * np.arange(8)[None] + 1) * np.arange(8)[:, None] * np.pi / 16) / 2
_COSINES[0] /= np.sqrt(2)


def transform(plane: NDArray[np.float64], table: NDArray[np.int64]) -> NDArray[np.int64]:
    """Quantized coefficients of a plane of whole blocks, values 0 to 255."""
    rows, columns = plane.shape[0] // 8, plane.shape[1] // 8
    blocks = (plane - 128).reshape(rows, 8, columns, 8).swapaxes(1, 2)
    spectrum = (_COSINES @ blocks @ _COSINES.T).reshape(rows, columns, 64)[..., ZIGZAG]
    quantized: NDArray[np.int64] = np.rint(spectrum / table).astype(np.int64)
    return np.clip(quantized, -1023, 1023)
