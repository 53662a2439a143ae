"""What is said of a file and its offset index."""

from __future__ import annotations

from typing import TypeAlias, TypedDict

__all__ = ["Identity", "IndexInfo"]

Identity: TypeAlias = tuple[int, int, int, int]
"""Device, inode, size in bytes, time of modification in nanoseconds since 1970."""


class IndexInfo(TypedDict):
    """How a file's offset index came to be.

    Attributes:
        path: The file.
        bytes: Its size.
        samples: How many samples it holds.
        layout: ``"array"`` or ``"lines"`` (JSON Lines).
        built_in_seconds: How long the pass took; None where the index was read.
        sidecar: Where the index is kept; None for in memory alone.
        warning: Why it could not be kept, where it could not; else None.
    """

    path: str
    bytes: int
    samples: int
    layout: str
    built_in_seconds: float | None
    sidecar: str | None
    warning: str | None
