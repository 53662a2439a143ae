"""A copy of a JSON file with another folder before its images' paths."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import Literal, TypeAlias

from textbook_fast import _core
from textbook_fast.errors import ImageNotFoundError, SourceError, SourceNotFoundError
from textbook_fast.files import PathLike, as_paths, open_files
from textbook_fast.threads import check_threads, choose_threads

__all__ = ["RewriteReport", "rewrite_paths"]

Missing: TypeAlias = Literal["raise", "count", "skip"]


@dataclass(frozen=True, slots=True)
class RewriteReport:
    """What `rewrite_paths` did.

    Attributes:
        rewritten: How many paths begin with the new folder now.
        kept: How many were left as they were: they are no keyframe's, or do not begin
            with the prefix.
        missing: How many images are not there; 0 where they were not looked for.
        examples: Some of those: the sample's index, and the path.
    """

    rewritten: int
    kept: int
    missing: int
    examples: list[tuple[int, str]]


def rewrite_paths(
    source: PathLike,
    out: PathLike,
    *,
    image_root: PathLike,
    prefix: str | None = None,
    missing: Missing = "raise",
    overwrite: bool = False,
    threads: int | None = None,
) -> RewriteReport:
    """Copies a JSON file and puts another folder before the paths of its images: the
    dataset card's manual step, for other tools. `textbook_fast.open` needs it not.

    Every other byte stays as it is. The copy appears under its name when it is complete
    and on disk, or not at all.

    Args:
        source: The file: interleaved samples or clips, a JSON array or JSON Lines.
        out: The copy.
        image_root: The folder that the paths shall begin with, made absolute.
        prefix: What the paths begin with now. None to take it from each keyframe's path:
            all before ``<vid>/<name>``, or before ``<name>`` where no vid is in the path.
        missing: What to do where an image is not at its new path: ``"raise"`` and leave no
            copy, ``"count"`` them, or ``"skip"`` the check.
        overwrite: Whether `out` may exist, and is replaced.
        threads: As of `textbook_fast.open`.

    Raises:
        ImageNotFoundError: An image is not there, with ``missing="raise"``.
        SourceNotFoundError: `source`, `image_root` or the folder of `out` is not there.
        SourceError: `out` exists, or cannot be written.
        FormatError: `source` is no JSON array of objects.
        RecordError: A sample of it is broken.
    """
    if missing not in {"raise", "count", "skip"}:
        raise ValueError(f"missing must be one of 'raise', 'count', 'skip', not {missing!r}")
    (path,), (target,), (root,) = as_paths(source), as_paths(out), as_paths(image_root)
    path, target, root = os.path.abspath(path), os.path.abspath(target), os.path.abspath(root)
    if os.path.lexists(target) and not overwrite:
        raise SourceError(f"{target} exists: choose another name, or overwrite=True", path=target)
    if not os.path.isdir(root):
        raise SourceNotFoundError(f"there is no folder {root}", path=root)
    checked = check_threads(threads)
    files = open_files([path], access="map", threads=checked, write_sidecar=False)
    done = _core.rewrite_paths(
        files,
        target,
        old_prefix=prefix,
        new_root=root,
        check=missing,
        threads=choose_threads(checked)[0],
    )
    report = RewriteReport(*done)
    if missing == "raise" and report.missing:
        index, first = report.examples[0]
        raise ImageNotFoundError(
            f"{report.missing} of {report.rewritten + report.kept} images are not there, the "
            f"first of them in sample {index}: {first!r}; nothing was written. Where is the "
            "folder with all of them? missing='count' writes the copy all the same",
            image=first,
            kind="missing",
            sample=index,
        )
    return report
