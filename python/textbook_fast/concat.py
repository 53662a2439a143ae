"""Several datasets as one."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from textbook_fast.dataset import Dataset
from textbook_fast.sample import Sample
from textbook_fast.views import Samples, View, pack_view, unpack_view

__all__ = ["Concat", "concat"]


def concat(datasets: Iterable[Samples]) -> Concat:
    """The samples of several datasets, one after another, as one dataset.

    Views, columns and the `Loader` work as with one `Dataset`. A sample keeps its
    `Sample.index` in the dataset that it comes from, and its `Sample.source`.

    Raises:
        ValueError: There are none.
        TypeError: One is no dataset.

    >>> import textbook_fast
    >>> ds = textbook_fast.open("example_data/textbook_sample_100.json")
    >>> len(textbook_fast.concat([ds[:10], ds[50:]]))
    60
    """
    parts = list(datasets)
    for samples in parts:
        if not isinstance(samples, Samples):
            raise TypeError(f"concat() takes datasets, not {type(samples).__name__}")
    if not parts:
        raise ValueError("concat() needs at least one dataset")
    return Concat(parts, range(sum(map(len, parts))))


class Concat(Samples):
    """Several datasets as one. Made by `concat`."""

    __slots__ = ("_firsts", "_parts")

    def __init__(self, parts: list[Samples], view: View) -> None:
        super().__init__(view)
        self._parts = parts
        self._firsts = np.cumsum([0, *(len(part) for part in parts)])

    def __reduce__(self) -> tuple[Any, ...]:
        return _rebuild, (self._parts, pack_view(self._view))

    def __repr__(self) -> str:
        whole = int(self._firsts[-1])
        part = "" if len(self) == whole else f" of {whole:,}"
        return f"<textbook_fast.Concat: {len(self):,}{part} samples of {len(self._parts)} datasets>"

    def _viewed(self, view: View) -> Concat:
        return Concat(self._parts, view)

    def _sample(self, position: int) -> Sample:
        number = bisect_right(self._firsts, position) - 1
        part = self._parts[number]
        return part._sample(int(part._view[position - int(self._firsts[number])]))

    def _decode_eagerly(self, samples: Sequence[Sample]) -> None:
        for reader, source in {id(source._reader): source for source in self._sources()}.items():
            source._decode_eagerly([sample for sample in samples if id(sample._reader) == reader])

    def _whole_column(self, name: str, wanted: NDArray[np.int64], missing: Any) -> NDArray[Any]:
        numbers = np.searchsorted(self._firsts, wanted, side="right") - 1
        asked = [
            (chosen, part._whole_column(name, part._positions()[wanted[chosen] - first], missing))
            for number, (part, first) in enumerate(zip(self._parts, self._firsts, strict=False))
            if len(chosen := np.flatnonzero(numbers == number))
        ]
        if not asked:
            return np.zeros(0, dtype=np.int64)
        column = np.empty(len(wanted), np.result_type(*(values.dtype for _, values in asked)))
        for chosen, values in asked:
            column[chosen] = values
        return column

    def _sources(self) -> list[Dataset]:
        return [source for part in self._parts for source in part._sources()]

    def _places(self, positions: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        sources, places = np.empty_like(positions), np.empty_like(positions)
        numbers = np.searchsorted(self._firsts, positions, side="right") - 1
        before = 0
        for number, part in enumerate(self._parts):
            chosen = np.flatnonzero(numbers == number)
            if len(chosen):
                inside = positions[chosen] - self._firsts[number]
                sources[chosen], places[chosen] = part._places(part._positions()[inside])
                sources[chosen] += before
            before += len(part._sources())
        return sources, places


def _rebuild(parts: list[Samples], view: Any) -> Concat:
    return Concat(parts, unpack_view(view))
