"""Search in the texts of a dataset, as an iterator of hits."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from heapq import merge
from itertools import islice
from typing import Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray

from textbook_fast import _core
from textbook_fast.threads import choose_threads

__all__ = ["SearchField", "SearchHit", "search_all"]

SearchField: TypeAlias = Literal["texts", "text_ocr_list"]


@dataclass(frozen=True, slots=True)
class SearchHit:
    """A text that matches. Unpacks as ``sample, item, excerpt = hit``.

    Attributes:
        sample: The sample's index in the dataset that was searched: ``ds[hit.sample]``.
        item: The position in the sample's list.
        excerpt: The text around the first match, an ellipsis where it is cut.
        start: Where the match begins in `excerpt`, in characters.
        end: Where it ends.
    """

    sample: int
    item: int
    excerpt: str
    start: int
    end: int

    def __iter__(self) -> Iterator[int | str]:
        return iter((self.sample, self.item, self.excerpt))


Share: TypeAlias = tuple[_core.Files, NDArray[np.int64] | None, NDArray[np.int64] | None]
"""Open files, positions there (None for all), and their places in what is searched (None
where they are all of it)."""


def search_all(
    shares: Sequence[Share],
    pattern: str,
    *,
    field: SearchField,
    ignore_case: bool,
    regex: bool,
    limit: int | None,
    threads: int | None,
) -> Iterator[SearchHit]:
    """The hits in the records of all shares, in order. See `Samples.search`."""
    if field not in {"texts", "text_ocr_list"}:
        raise ValueError(f"field must be one of 'texts', 'text_ocr_list', not {field!r}")
    if not pattern:
        raise ValueError("the pattern is empty, and would match every text")
    if limit is not None and limit < 0:
        raise ValueError(f"limit must be 0 or more, or None, not {limit}")
    chosen, _ = choose_threads(threads)
    try:
        found = [
            _hits(
                _core.Search(
                    files,
                    pattern,
                    view=view,
                    field=field,
                    regex=regex,
                    ignore_case=ignore_case,
                    threads=chosen,
                    progress=True,
                ),
                places,
            )
            for files, view, places in shares
        ]
    except UnicodeEncodeError as error:
        raise ValueError(f"the pattern is no text: {error.reason}") from None
    except ValueError as error:
        raise ValueError(f"the pattern {pattern!r} cannot be used: {error}") from None
    hits = found[0] if len(found) == 1 else merge(*found, key=lambda hit: hit.sample)
    return hits if limit is None else islice(hits, limit)


def _hits(found: _core.Search, places: NDArray[np.int64] | None) -> Iterator[SearchHit]:
    while (hit := next(found, None)) is not None:
        place = hit[0] if places is None else int(places[hit[0]])
        yield SearchHit(place, *hit[1:])
