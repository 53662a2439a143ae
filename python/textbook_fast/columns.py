"""Columns of a dataset's files: read once, kept beside the offset index."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from textbook_fast import _core
from textbook_fast.errors import RecordError

__all__ = ["read_column"]

# Names of columns that are made, not read from a field of that name.
MADE = ("images", "vid", "bytes")


def read_column(
    files: _core.Files, name: str, wanted: NDArray[np.int64], missing: Any, threads: int
) -> NDArray[Any]:
    """The column `name` at the positions `wanted` of the files.

    Raises:
        RecordError: As of `Samples.column`.
    """
    kind = name if name in MADE else "field"
    if name == "vid" and missing is None:
        missing = ""
    found = _core.read_columns(files, kind, name, threads)
    arrays = [np.asarray(values) for values, _, _ in found]
    firsts = np.cumsum([0, *map(len, arrays)])
    values = _join([array for array in arrays if len(array)])
    absent = [first + part[1] for first, part in zip(firsts, found, strict=False)]
    faulty = [first + part[2] for first, part in zip(firsts, found, strict=False)]
    _refuse_faulty(files, kind, name, np.isin(wanted, np.concatenate(faulty)), wanted)
    column = values[wanted]
    is_absent = np.isin(wanted, np.concatenate(absent))
    if not is_absent.any():
        return column
    if missing is None:
        position = int(wanted[is_absent][0])
        raise RecordError(
            f"it has no '{name}' (nor have {int(is_absent.sum()) - 1} others): "
            f"column({name!r}, missing=VALUE) puts a value in their place",
        ).at(position, _source_of(files, position))
    filler = np.asarray(missing)
    column = column.astype(np.result_type(column.dtype, filler.dtype))
    column[is_absent] = missing
    return column


def _join(arrays: list[NDArray[Any]]) -> NDArray[Any]:
    """The columns of several files as one, which holds all their kinds of number."""
    if not arrays:
        return np.zeros(0, dtype=np.int64)
    kinds = {"texts" if array.dtype.kind == "U" else "numbers" for array in arrays}
    return np.concatenate(arrays) if len(kinds) == 1 else np.concatenate(arrays).astype(object)


def _refuse_faulty(
    files: _core.Files,
    kind: str,
    name: str,
    is_faulty: NDArray[np.bool_],
    wanted: NDArray[np.int64],
) -> None:
    if not is_faulty.any():
        return
    position = int(wanted[is_faulty][0])
    try:
        _core.check_column(files, kind, name, position)
    except RecordError as error:
        raise error.at(position, _source_of(files, position)) from None
    raise RecordError(
        f"field '{name}' is of another kind than in the other samples: a column holds "
        "values of one kind (numbers, or true and false)"
    ).at(position, _source_of(files, position))


def _source_of(files: _core.Files, position: int) -> tuple[str, int]:
    number, place = files.locate(position)
    return files.paths[number], place
