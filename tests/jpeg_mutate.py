"""Breaks JPEG streams: bits, bytes, cuts, segments, tables, lengths, markers, sizes.

Knows where a stream's segments and scans are; what it makes of them is random, from the
generator that it is given.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass, replace

import jpeg_write as jw


@dataclass(frozen=True)
class Piece:
    """A segment with the coded bytes after it, if it is a scan's; `marker` of SOI is 0."""

    marker: int
    content: bytes
    """After the length."""
    coded: bytes = b""
    wrong_length: int = 0
    """What is added to the length that the segment claims."""

    def write(self) -> bytes:
        """The bytes in the stream."""
        length = (len(self.content) + 2 + self.wrong_length) % 65536
        return bytes((0xFF, self.marker)) + length.to_bytes(2, "big") + self.content + self.coded


def take_apart(data: bytes) -> list[Piece]:
    """The pieces of a well-formed stream between SOI and EOI."""
    pieces: list[Piece] = []
    at = 2
    while True:
        at = data.index(0xFF, at)
        marker = data[at + 1]
        if marker in {0, 0xFF}:  # stuffing in junk, fill bytes
            at += 1 + (marker == 0)
            continue
        if marker == jw.EOI:
            return pieces
        end = at + 2 + int.from_bytes(data[at + 2 : at + 4], "big")
        content, coded_end = data[at + 4 : end], end
        if marker == jw.SOS:
            while data[coded_end] != 0xFF or data[coded_end + 1] in {0, *range(0xD0, 0xD8)}:
                coded_end += 1 + (data[coded_end] == 0xFF)
        pieces.append(Piece(marker, content, data[end:coded_end]))
        at = coded_end


def put_together(pieces: list[Piece]) -> bytes:
    """A stream of pieces."""
    return b"\xff\xd8" + b"".join(piece.write() for piece in pieces) + b"\xff\xd9"


def mutate(data: bytes, other: bytes, rng: random.Random) -> tuple[str, bytes]:
    """The name of what was done to a stream, and what became of it.

    `other` is a stream that pieces may be taken from.
    """
    name = rng.choice(list(MUTATIONS))
    return name, MUTATIONS[name](data, other, rng)


def _flip(data: bytes, rng: random.Random, start: int, end: int) -> bytes:
    broken = bytearray(data)
    for _ in range(rng.choice((1, 1, 1, 2, 3, 8))):
        broken[rng.randrange(start, max(end, start + 1))] ^= 1 << rng.randrange(8)
    return bytes(broken)


def _scan_start(data: bytes) -> int:
    return data.index(b"\xff\xda")


def flip_anywhere(data: bytes, _: bytes, rng: random.Random) -> bytes:
    return _flip(data, rng, 0, len(data))


def flip_in_headers(data: bytes, _: bytes, rng: random.Random) -> bytes:
    return _flip(data, rng, 2, _scan_start(data) + 12)


def flip_in_coded_data(data: bytes, _: bytes, rng: random.Random) -> bytes:
    return _flip(data, rng, min(_scan_start(data) + 10, len(data) - 1), len(data))


def set_bytes(data: bytes, _other: bytes, rng: random.Random) -> bytes:
    broken = bytearray(data)
    for _ in range(rng.randint(1, 4)):
        broken[rng.randrange(len(data))] = rng.choice((0, 0xFF, 0xD9, 0xDA, rng.randrange(256)))
    return bytes(broken)


def cut(data: bytes, _: bytes, rng: random.Random) -> bytes:
    return data[: rng.randrange(len(data))]


def cut_and_end(data: bytes, _: bytes, rng: random.Random) -> bytes:
    return data[: rng.randrange(_scan_start(data), len(data))] + b"\xff\xd9"


def leave_out_bytes(data: bytes, _: bytes, rng: random.Random) -> bytes:
    start = rng.randrange(2, len(data))
    return data[:start] + data[start + rng.choice((1, 2, rng.randint(1, 200))) :]


def insert_bytes(data: bytes, other: bytes, rng: random.Random) -> bytes:
    start, length = rng.randrange(2, len(data)), rng.choice((1, 2, rng.randint(1, 200)))
    place = rng.randrange(len(other))
    new = rng.choice((other[place : place + length], rng.randbytes(length), b"\xff" * length))
    return data[:start] + new + data[start:]


def overwrite_bytes(data: bytes, other: bytes, rng: random.Random) -> bytes:
    length = rng.randint(1, 64)
    start, place = rng.randrange(2, len(data)), rng.randrange(len(other))
    new = rng.choice((other[place : place + length], bytes(length), b"\xff\x00" * length))
    return (data[:start] + new + data[start + len(new) :])[: max(len(data), start + 2)]


def leave_out_segment(data: bytes, _: bytes, rng: random.Random) -> bytes:
    pieces = take_apart(data)
    del pieces[rng.randrange(len(pieces))]
    return put_together(pieces)


def repeat_segment(data: bytes, _: bytes, rng: random.Random) -> bytes:
    pieces = take_apart(data)
    pieces.insert(rng.randrange(len(pieces) + 1), rng.choice(pieces))
    return put_together(pieces)


def swap_segments(data: bytes, _: bytes, rng: random.Random) -> bytes:
    pieces = take_apart(data)
    one, two = rng.randrange(len(pieces)), rng.randrange(len(pieces))
    pieces[one], pieces[two] = pieces[two], pieces[one]
    return put_together(pieces)


def take_segment(data: bytes, other: bytes, rng: random.Random) -> bytes:
    pieces, others = take_apart(data), take_apart(other)
    place = rng.randrange(len(pieces))
    alike = [piece for piece in others if piece.marker == pieces[place].marker]
    pieces[place] = rng.choice(alike or others)
    return put_together(pieces)


def take_tables(data: bytes, other: bytes, _: random.Random) -> bytes:
    tables = {jw.DHT, jw.DQT}
    own = [piece for piece in take_apart(data) if piece.marker not in tables]
    return put_together([p for p in take_apart(other) if p.marker in tables] + own)


def take_coded_data(data: bytes, other: bytes, rng: random.Random) -> bytes:
    pieces = take_apart(data)
    scans = [number for number, piece in enumerate(pieces) if piece.marker == jw.SOS]
    others = [piece for piece in take_apart(other) if piece.marker == jw.SOS]
    place = rng.choice(scans)
    pieces[place] = replace(pieces[place], coded=rng.choice(others).coded)
    return put_together(pieces)


def change_length(data: bytes, _: bytes, rng: random.Random) -> bytes:
    pieces = take_apart(data)
    place = rng.randrange(len(pieces))
    wrong = rng.choice((-1, 1, -2, 2, rng.randint(-300, 300), rng.randrange(65536)))
    pieces[place] = replace(pieces[place], wrong_length=wrong)
    return put_together(pieces)


def change_content(data: bytes, _other: bytes, rng: random.Random) -> bytes:
    """Bytes of a segment, and its length with them."""
    pieces = take_apart(data)
    place = rng.randrange(len(pieces))
    content = bytearray(pieces[place].content)
    for _ in range(rng.randint(1, 3)):
        at = rng.randrange(len(content) + 1)
        action = rng.randrange(3)
        if action == 0 or at == len(content):
            content.insert(at, rng.randrange(256))
        elif action == 1:
            del content[at]
        else:
            content[at] = rng.choice((0, 1, 0x11, 0x22, 0x41, 255, rng.randrange(256)))
    pieces[place] = replace(pieces[place], content=bytes(content))
    return put_together(pieces)


def change_marker(data: bytes, _: bytes, rng: random.Random) -> bytes:
    pieces = take_apart(data)
    place = rng.randrange(len(pieces))
    marker = rng.choice((rng.randint(0xC0, 0xCF), rng.randint(1, 0xFE)))
    pieces[place] = replace(pieces[place], marker=marker)
    return put_together(pieces)


def _frame_place(pieces: list[Piece]) -> int:
    return next(n for n, piece in enumerate(pieces) if piece.marker in {0xC0, 0xC1, 0xC2})


def change_size(data: bytes, _: bytes, rng: random.Random) -> bytes:
    pieces = take_apart(data)
    place = _frame_place(pieces)
    content = bytearray(pieces[place].content)
    at = rng.choice((1, 3))
    old = int.from_bytes(content[at : at + 2], "big")
    new = rng.choice((0, old + 1, max(old - 1, 0), rng.randrange(100), rng.randrange(65536)))
    content[at : at + 2] = new.to_bytes(2, "big")
    pieces[place] = replace(pieces[place], content=bytes(content))
    return put_together(pieces)


def change_frame(data: bytes, _: bytes, rng: random.Random) -> bytes:
    """A sampling factor, an identifier, a quantization table's number, the precision."""
    pieces = take_apart(data)
    place = _frame_place(pieces)
    content = bytearray(pieces[place].content)
    at = rng.choice((0, *range(5, len(content))))
    content[at] = rng.choice((0, 1, 2, 3, 0x11, 0x12, 0x21, 0x22, 0x31, 0x41, rng.randrange(256)))
    pieces[place] = replace(pieces[place], content=bytes(content))
    return put_together(pieces)


def change_scan(data: bytes, _: bytes, rng: random.Random) -> bytes:
    """A component, a table's number, the spectral selection, the approximation."""
    pieces = take_apart(data)
    place = rng.choice([n for n, piece in enumerate(pieces) if piece.marker == jw.SOS])
    content = bytearray(pieces[place].content)
    content[rng.randrange(len(content))] = rng.choice((0, 1, 2, 63, 64, 0x10, rng.randrange(256)))
    pieces[place] = replace(pieces[place], content=bytes(content))
    return put_together(pieces)


def change_restarts(data: bytes, _: bytes, rng: random.Random) -> bytes:
    """An interval that the data does not keep, or markers missing, added or renumbered."""
    if rng.random() < 0.3:
        interval = rng.choice((0, 1, 2, 3, rng.randrange(65536)))
        pieces = [piece for piece in take_apart(data) if piece.marker != jw.DRI]
        return put_together([Piece(jw.DRI, interval.to_bytes(2, "big")), *pieces])
    start = _scan_start(data)
    places = [
        at
        for at in range(start, len(data) - 1)
        if data[at] == 0xFF and 0xD0 <= data[at + 1] <= 0xD7
    ]
    if not places:
        at = rng.randrange(start + 8, max(len(data) - 2, start + 9))
        return data[:at] + bytes((0xFF, rng.randint(0xD0, 0xD7))) + data[at:]
    at = rng.choice(places)
    new = rng.choice((b"", bytes((0xFF, rng.randint(0xD0, 0xD7))), data[at : at + 2] * 2))
    return data[:at] + new + data[at + 2 :]


Mutation = Callable[[bytes, bytes, random.Random], bytes]
MUTATIONS: dict[str, Mutation] = {
    mutation.__name__: mutation
    for mutation in (
        *(flip_anywhere, flip_in_headers, flip_in_coded_data, set_bytes, cut, cut_and_end),
        *(leave_out_bytes, insert_bytes, overwrite_bytes, leave_out_segment, repeat_segment),
        *(swap_segments, take_segment, take_tables, take_coded_data, change_length),
        *(change_content, change_marker, change_size, change_frame, change_scan, change_restarts),
    )
}
