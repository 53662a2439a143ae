"""Compressed archives of images: the pass that makes their index."""

from __future__ import annotations

import os
from collections.abc import Sequence

from textbook_fast import _core
from textbook_fast.index_info import ArchiveInfo
from textbook_fast.threads import check_threads, choose_threads

__all__ = ["index_archives"]


def index_archives(
    archives: Sequence[Sequence[str]],
    *,
    index: str | os.PathLike[str] | None = None,
    rebuild: bool = False,
    threads: int | None = None,
) -> list[ArchiveInfo]:
    """Builds the index of each compressed tar, unless there is one that fits.

    One pass inflates the archive once. It may be stopped, and the next call goes on
    where it was. A damaged archive is an error, but what comes before the damage can be
    read from then on, and after the part has been replaced the next call goes on.

    Args:
        archives: The parts of each archive, or one of them for all that lie beside it.
        index: The index's file; None for beside the first part.
        rebuild: Build it anew even where it fits.
        threads: How many threads inflate; None as of `open`.

    Raises:
        SourceNotFoundError: A part is missing; the message names it.
        SourceChangedError: A part is not what was indexed.
        SourceError: A file cannot be read, or the index cannot be written.
        FormatError: An archive is damaged; the message says in which part, and where.
        ValueError: One index was named for several archives.
    """
    if index is not None and len(archives) != 1:
        raise ValueError("--index names the index of one archive: index several one by one")
    count, _ = choose_threads(check_threads(threads))
    path = None if index is None else os.path.abspath(index)
    return [
        _core.index_archive(list(parts), index=path, rebuild=rebuild, threads=count)
        for parts in archives
    ]
