"""A split archive as one tar, its parts removed on the way: `pack --delete-parts`."""

from __future__ import annotations

import os
import shutil
from collections.abc import Sequence
from dataclasses import dataclass, field
from fnmatch import fnmatch

from textbook_fast import _core
from textbook_fast.archives import index_archives
from textbook_fast.errors import SourceError
from textbook_fast.files import PathLike, as_paths, expand
from textbook_fast.pack import CHECKPOINT_BYTES
from textbook_fast.threads import check_threads, choose_threads

__all__ = ["PartsPlan", "PartsReport", "is_begun", "pack_parts", "plan_parts"]


@dataclass(frozen=True, slots=True)
class PartsPlan:
    """What is going to be done. Made by `plan_parts`.

    Attributes:
        path: The tar.
        parts: The parts that are there, which will be removed.
        bytes: The length that the tar will have.
        bytes_needed: How many bytes have to be free for it now.
        bytes_free: How many are.
    """

    path: str
    parts: list[str]
    bytes: int
    bytes_needed: int
    bytes_free: int
    removal: _core.PartRemoval = field(repr=False)


@dataclass(frozen=True, slots=True)
class PartsReport:
    """What was done.

    Attributes:
        path: The tar.
        index: Its index.
        members: How many members it has.
        resumed: How many of them an earlier run had written.
        bytes: Its length without its end.
        removed: The parts that this run has removed.
    """

    path: str
    index: str
    members: int = 0
    resumed: int = 0
    bytes: int = 0
    removed: list[str] = field(default_factory=list)


def is_begun(out: PathLike) -> bool:
    """Whether there is an unfinished pack whose parts are removed."""
    return os.path.exists(f"{os.path.abspath(out)}.part.archive")


def plan_parts(
    images: PathLike | Sequence[PathLike] | None,
    out: PathLike,
    *,
    threads: int | None = None,
    checkpoint_bytes: int = CHECKPOINT_BYTES,
) -> PartsPlan | PartsReport:
    """Looks at what is to be done, or what an earlier run has left to do. No image is
    written and nothing removed yet; but an archive that has no index gets one, since
    nothing may go before the whole stream's own checksum has been seen.

    Args:
        images: One compressed archive: a part of it, all, a glob, or their folder. Of a run
            that goes on the parts that are gone may be named as before.
        out: The tar. It must not exist.
        threads: How many threads inflate; None as of `open`.
        checkpoint_bytes: After so many bytes the pack is synced, at the latest.

    Returns:
        The plan for `pack_parts`; a report where an earlier run had come to its end.

    Raises:
        ValueError: It is not one compressed archive, or not the one that was begun.
        SourceError: The tar exists, or was begun in another way; a part that is still needed
            is gone; the pack so far was changed.
        SourceChangedError: A part is not what was indexed.
        FormatError: The archive is damaged; the message says in which part, and where.
    """
    path = os.path.abspath(out)
    if _core.PartRemoval.clear_finished(path):
        return PartsReport(path, f"{path}.tfidx")
    count, _ = choose_threads(check_threads(threads))
    removal = _core.PartRemoval.resume(path)
    if removal is not None:
        _check_same(images, removal.all_parts, path)
    else:
        if os.path.lexists(path):
            raise SourceError(f"cannot write {path}: it is there already", path=path)
        if images is None:
            raise ValueError("pass the archive's parts")
        archives, others = _core.group_archives(expand(images))
        if len(archives) != 1 or others:
            found = [*(parts[0] for parts in archives), *others]
            raise ValueError(
                "parts are removed of one gzipped tar at a time, but the images are in "
                f"{', '.join(found) or 'no archive'}"
            )
        (info,) = index_archives(archives, threads=count)
        removal = _core.PartRemoval.begin(path, info["parts"], info["index"])
    needed = removal.bytes_needed(checkpoint_bytes)
    free = shutil.disk_usage(os.path.dirname(path)).free
    return PartsPlan(path, removal.parts, removal.bytes, needed, free, removal)


def pack_parts(
    plan: PartsPlan,
    *,
    threads: int | None = None,
    checkpoint_bytes: int = CHECKPOINT_BYTES,
    progress: bool = True,
) -> PartsReport:
    """Writes the tar and REMOVES the archive's parts, each as soon as all that is read of it
    is in the tar, synced, read back and compared. The last one goes when the tar is whole,
    with its index beside it. At no time are there two archives on the disk.

    It may be killed at any moment, and goes on from there when it is planned again; what
    comes out is the same as without interruptions, byte for byte.

    Args:
        plan: As `plan_parts` made it, just before. Used once.
        threads: How many threads inflate; None as of `open`.
        checkpoint_bytes: After so many bytes the pack is synced, at the latest.
        progress: Whether a bar is shown on a terminal.

    Raises:
        SourceError: There is no room, or the tar cannot be written or trusted. What was
            written before stays, and no part is removed that is not in it.
        SourceChangedError: A part has changed meanwhile. It is not removed.
    """
    if plan.bytes_needed > plan.bytes_free:
        raise SourceError(
            f"cannot write {plan.path}: it needs {plan.bytes_needed / 1e9:,.2f} GB, and "
            f"{plan.bytes_free / 1e9:,.2f} GB are free: nothing is removed",
            path=plan.path,
        )
    count, _ = choose_threads(check_threads(threads))
    return PartsReport(plan.path, **plan.removal.run(count, checkpoint_bytes, progress))


def _check_same(
    images: PathLike | Sequence[PathLike] | None, parts: Sequence[str], path: str
) -> None:
    """Fails where the images are not those that were begun with."""
    for item in [] if images is None else as_paths(images):
        given = os.path.abspath(item)
        if not any(
            given in {part, os.path.dirname(part)} or fnmatch(part, given) for part in parts
        ):
            raise ValueError(
                f"{path}.part was begun with the parts of {parts[0]}, and {item} is none of them"
            )
