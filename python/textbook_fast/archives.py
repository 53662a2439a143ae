"""Compressed archives of images: the pass that makes their index."""

from __future__ import annotations

import errno
import os
import re
from collections.abc import Sequence

from textbook_fast import _core
from textbook_fast.errors import FormatError, SourceError
from textbook_fast.index_info import ArchiveInfo
from textbook_fast.threads import check_threads, choose_threads

__all__ = ["index_archives", "read_sums"]

# Why an index cannot be written where it would be kept.
NO_PLACE = {errno.EACCES, errno.EROFS, errno.ENOSPC, errno.EDQUOT, errno.EFBIG}
SUM = re.compile(r"(?P<sum>[0-9A-Fa-f]{64}) [ *](?P<name>.+)")
TAGGED_SUM = re.compile(r"SHA256 \((?P<name>.+)\) = (?P<sum>[0-9A-Fa-f]{64})")


def index_archives(
    archives: Sequence[Sequence[str]],
    *,
    index: str | os.PathLike[str] | None = None,
    rebuild: bool = False,
    threads: int | None = None,
    sha256: str | os.PathLike[str] | None = None,
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
        sha256: A file of SHA-256 sums as `sha256sum` writes it, one for each part. They are
            compared along the way. A part with another sum is an error, at the latest when
            the pass has come to its end; what comes before it can be read from then on.

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
    sums = None if sha256 is None else read_sums(sha256)
    try:
        return [
            _core.index_archive(list(parts), index=path, rebuild=rebuild, threads=count, sums=sums)
            for parts in archives
        ]
    except SourceError as error:
        if path is not None or error.errno not in NO_PLACE or ".tfidx" not in error.path:
            raise
        raise type(error)(
            f"{error}; --index FILE keeps the index elsewhere: then name FILE beside the "
            "archive where images are opened",
            path=error.path,
            errno=error.errno,
        ) from None


def read_sums(path: str | os.PathLike[str]) -> dict[str, bytes]:
    """The sums in a file that `sha256sum` wrote, by the files' names without folders.

    Raises:
        FormatError: A line is none of its kinds, or a name has two sums.
    """
    place = os.fspath(path)
    sums: dict[str, bytes] = {}
    at = 0
    with open(path, "rb") as file:
        for line in file:
            begin, at = at, at + len(line)
            text = os.fsdecode(line.rstrip(b"\r\n"))
            if not text.strip():
                continue
            found = SUM.fullmatch(text) or TAGGED_SUM.fullmatch(text)
            if found is None:
                raise FormatError(
                    f"{place}: no SHA-256 sum as sha256sum writes it: {text[:99]!r} "
                    f"(at byte {begin})",
                    path=place,
                    offset=begin,
                )
            name, sum_ = os.path.basename(found["name"]), bytes.fromhex(found["sum"])
            if sums.setdefault(name, sum_) != sum_:
                raise FormatError(
                    f"{place}: {name} has two different sums (at byte {begin})",
                    path=place,
                    offset=begin,
                )
    return sums
