"""What is said of a file and its offset index."""

from __future__ import annotations

from typing import TypeAlias, TypedDict

__all__ = ["ArchiveInfo", "Identity", "IndexInfo"]

Identity: TypeAlias = tuple[int, int, int, int]
"""Device, inode, size in bytes, time of modification in nanoseconds since 1970."""


class IndexInfo(TypedDict):
    """How a file's offset index came to be.

    Attributes:
        path: The file.
        bytes: Its size.
        text_bytes: Size of the JSON text in it; of a file that is not compressed, its own.
        packing: How the text lies in it: ``"deflate"`` (in gzip or a zip), ``"stored"`` (in
            a zip), or None where it is the file.
        samples: How many samples it holds.
        layout: ``"array"`` or ``"lines"`` (JSON Lines).
        built_in_seconds: How long the pass took; None where the index was read.
        resumed_at: How many bytes of a compressed file an earlier call had done.
        sidecar: Where the index is kept; None for in memory alone.
        warning: Why it could not be kept, where it could not; else None.
    """

    path: str
    bytes: int
    text_bytes: int
    packing: str | None
    samples: int
    layout: str
    built_in_seconds: float | None
    resumed_at: int
    sidecar: str | None
    warning: str | None


class ArchiveInfo(TypedDict):
    """What is known of a compressed archive and its index.

    Attributes:
        parts: The archive's files, in order.
        bytes: Their size together.
        members: How many members it has, as far as it is indexed; folders do not count.
        tar_bytes: Size of the tar in it, as far as it is indexed.
        index: The index's file.
        index_bytes: Its size.
        confirmed: Whether the whole stream was inflated and its own checksum was right.
        damage: Why the index covers only what comes before; None where it covers all.
        built_in_seconds: How long the pass took; None where the index was there.
        resumed_at: How many bytes of the parts an earlier call had done.
    """

    parts: list[str]
    bytes: int
    members: int
    tar_bytes: int
    index: str
    index_bytes: int
    confirmed: bool
    damage: str | None
    built_in_seconds: float | None
    resumed_at: int
