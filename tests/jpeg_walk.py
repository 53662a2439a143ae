"""A small reader of JPEG files for tests: markers, tables, and entropy-coded blocks.

Written against ITU-T T.81 and nothing else: it shares no code with the decoder under
test, knows baseline 4:2:0 only, and makes no pixels.
"""

from __future__ import annotations

from dataclasses import dataclass, field

SOI, EOI, SOS, SOF0, DHT, DQT, COM, APP0 = 0xD8, 0xD9, 0xDA, 0xC0, 0xC4, 0xDB, 0xFE, 0xE0
RESTARTS = range(0xD0, 0xD8)


@dataclass(frozen=True, slots=True)
class Segment:
    """A marker and the bytes after its length."""

    marker: int
    payload: bytes


@dataclass(frozen=True, slots=True)
class Huffman:
    """A table of a DHT segment: how many codes of each length, and their symbols."""

    place: int
    counts: tuple[int, ...]
    symbols: bytes

    def codes(self) -> dict[tuple[int, int], int]:
        """Symbols by (length, code), as T.81 annex C assigns them."""
        codes: dict[tuple[int, int], int] = {}
        code, at = 0, 0
        for length, count in enumerate(self.counts, 1):
            for symbol in self.symbols[at : at + count]:
                assert code < 1 << length, "more codes than the length has"
                codes[length, code] = symbol
                code += 1
            at += count
            code <<= 1
        return codes


@dataclass(frozen=True, slots=True)
class Jpeg:
    """A file taken apart."""

    segments: list[Segment]
    coded: bytes
    restarts: int
    rest: bytes

    @property
    def markers(self) -> list[int]:
        """The markers in their order, from the first after SOI to SOS."""
        return [segment.marker for segment in self.segments]

    def payload(self, marker: int) -> bytes:
        """The content of the only segment of this kind."""
        (payload,) = [segment.payload for segment in self.segments if segment.marker == marker]
        return payload

    @property
    def size(self) -> tuple[int, int]:
        """Width and height, of the frame header."""
        frame = self.payload(SOF0)
        return int.from_bytes(frame[3:5], "big"), int.from_bytes(frame[1:3], "big")

    def huffman_tables(self) -> list[Huffman]:
        """The tables of the only DHT segment, which has to hold them and nothing else."""
        payload = self.payload(DHT)
        tables: list[Huffman] = []
        while payload:
            counts = tuple(payload[1:17])
            end = 17 + sum(counts)
            tables.append(Huffman(payload[0], counts, payload[17:end]))
            assert end <= len(payload), "a Huffman table leaves its segment"
            payload = payload[end:]
        return tables


def parse(data: bytes) -> Jpeg:
    """Takes a file apart; what is behind the coded data is `rest`, which begins with EOI."""
    assert data[:2] == bytes((0xFF, SOI)), "no SOI"
    at = 2
    segments: list[Segment] = []
    while not segments or segments[-1].marker != SOS:
        assert data[at] == 0xFF, f"no marker at {at}"
        marker, length = data[at + 1], int.from_bytes(data[at + 2 : at + 4], "big")
        assert length >= 2
        assert at + 2 + length <= len(data), f"segment {marker:02x} leaves the file"
        segments.append(Segment(marker, data[at + 4 : at + 2 + length]))
        at += 2 + length
    end, restarts = at, 0
    while True:
        end = data.index(0xFF, end)
        follows = data[end + 1]
        if follows != 0 and follows not in RESTARTS:
            return Jpeg(segments, data[at:end], restarts, data[end:])
        restarts += follows in RESTARTS
        end += 2


@dataclass(slots=True)
class Blocks:
    """What the entropy-coded blocks of a 4:2:0 file hold."""

    luma: int = 0
    luma_dc_only: int = 0
    chroma: int = 0
    chroma_dc_only: int = 0
    used: list[set[int]] = field(default_factory=lambda: [set(), set(), set(), set()])


def read_blocks(jpeg: Jpeg) -> Blocks:
    """Decodes the symbols of every block, and counts; the data has to end with the last one."""
    tables = {table.place: table.codes() for table in jpeg.huffman_tables()}
    assert set(tables) == {0x00, 0x01, 0x10, 0x11}
    dc, ac = [tables[0x00], tables[0x01]], [tables[0x10], tables[0x11]]
    bits = "".join(f"{byte:08b}" for byte in jpeg.coded.replace(b"\xff\x00", b"\xff"))
    width, height = jpeg.size
    blocks, at = Blocks(), 0
    for _ in range(-(-width // 16) * -(-height // 16)):
        for place in range(6):
            chroma = int(place >= 4)
            symbol, at = _symbol(bits, at, dc[chroma])
            blocks.used[chroma].add(symbol)
            at += symbol
            coefficient, is_dc_only = 1, True
            while coefficient < 64:
                symbol, at = _symbol(bits, at, ac[chroma])
                blocks.used[2 + chroma].add(symbol)
                if symbol == 0:
                    break
                run, size = symbol >> 4, symbol & 15
                assert size or run == 15, "neither a coefficient nor a run of zeros"
                coefficient, at, is_dc_only = coefficient + run + 1, at + size, False
            assert coefficient <= 64, "a run leaves its block"
            if chroma:
                blocks.chroma += 1
                blocks.chroma_dc_only += is_dc_only
            else:
                blocks.luma += 1
                blocks.luma_dc_only += is_dc_only
    assert 0 <= len(bits) - at < 8, "coded data does not end with the last block"
    return blocks


def _symbol(bits: str, at: int, codes: dict[tuple[int, int], int]) -> tuple[int, int]:
    code = 0
    for length in range(1, 17):
        code = code << 1 | (bits[at + length - 1] == "1")
        if (length, code) in codes:
            return codes[length, code], at + length
    raise AssertionError(f"no code at bit {at}")
