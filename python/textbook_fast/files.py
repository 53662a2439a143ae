"""Opens JSON files and their offset indexes. Knows nothing of what their records are."""

from __future__ import annotations

import glob
import os
import warnings
from collections.abc import Sequence
from typing import TypeAlias

from textbook_fast import _core
from textbook_fast.errors import SourceNotFoundError
from textbook_fast.index_info import Identity
from textbook_fast.threads import choose_threads

__all__ = ["PathLike", "as_paths", "expand", "open_files"]

PathLike: TypeAlias = str | os.PathLike[str]


def open_files(
    paths: list[str],
    *,
    access: str,
    threads: int | None,
    recover: bool = False,
    expected: list[Identity] | None = None,
    read_sidecar: bool = True,
    write_sidecar: bool = True,
    allows_long_pass: bool = False,
) -> _core.Files:
    """Opens files as one sequence of records; warns where an index cannot be kept.

    `allows_long_pass` is for who asked for the index of a large compressed file.
    """
    chosen, _ = choose_threads(threads)
    files = _core.Files(
        paths,
        access=access,
        recover=recover,
        threads=chosen,
        expected=expected,
        read_sidecar=read_sidecar,
        write_sidecar=write_sidecar,
        allows_long_pass=allows_long_pass,
    )
    for info in files.index_info:
        if info["warning"]:
            warnings.warn(info["warning"], RuntimeWarning, stacklevel=5)
    return files


def as_paths(path: PathLike | Sequence[PathLike]) -> list[str]:
    """One path or several as a list of strings."""
    given = [path] if isinstance(path, str | os.PathLike) else list(path)
    paths = [os.fspath(item) for item in given]
    if not all(isinstance(item, str) for item in paths):
        raise TypeError("a path is a str or an os.PathLike of one, not bytes")
    return paths


def expand(path: PathLike | Sequence[PathLike]) -> list[str]:
    """The absolute paths that are meant; globs are expanded, in sorted order."""
    paths: list[str] = []
    for item in as_paths(path):
        if glob.has_magic(item) and not os.path.lexists(item):
            found = sorted(glob.glob(item, recursive=True))
            if not found:
                raise SourceNotFoundError(f"no file matches {item!r}", path=item)
            paths.extend(found)
        else:
            paths.append(item)
    if not paths:
        raise ValueError("an empty list of paths was given, at least one is needed")
    return [os.path.abspath(item) for item in paths]
