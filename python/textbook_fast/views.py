"""Samples by their index: what datasets and their views share. Opens no files."""

from __future__ import annotations

import operator
from abc import abstractmethod
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import (
    TYPE_CHECKING,
    Any,
    Literal,
    Self,
    SupportsIndex,
    TypeAlias,
    TypeVar,
    overload,
)

import numpy as np
from numpy.typing import NDArray

from textbook_fast.batch import ImageBatch, make_batch
from textbook_fast.errors import SampleIndexError
from textbook_fast.images import ImageReader
from textbook_fast.sample import Sample
from textbook_fast.search import SearchField, SearchHit, search_all
from textbook_fast.statistics import Statistics, measure

if TYPE_CHECKING:
    from textbook_fast.dataset import Dataset

__all__ = ["Groups", "Samples", "Share", "View"]

View: TypeAlias = range | NDArray[np.int64]


@dataclass(frozen=True, slots=True, eq=False)
class Share:
    """Samples of one dataset: their positions there (None for all), and their places in what
    they are a share of (None where it is the whole).
    """

    source: Dataset
    positions: NDArray[np.int64] | None
    places: NDArray[np.int64] | None

    def __len__(self) -> int:
        return len(self.source._files) if self.positions is None else len(self.positions)


class Samples(Sequence[Sample]):
    """Samples by their index, and views of them: `Dataset`, and what `concat` makes."""

    __slots__ = ("_view",)

    def __init__(self, view: View) -> None:
        self._view = view

    # --- what each kind gives

    @abstractmethod
    def _viewed(self, view: View) -> Self:
        """The same samples behind another view."""

    @abstractmethod
    def _sample(self, position: int) -> Sample:
        """The sample at a position of the whole."""

    @abstractmethod
    def _decode_eagerly(self, samples: Sequence[Sample]) -> None:
        """Decodes their images together, where that is wanted."""

    @abstractmethod
    def _whole_column(self, name: str, wanted: NDArray[np.int64], missing: Any) -> NDArray[Any]:
        """A column at these positions of the whole."""

    @abstractmethod
    def _sources(self) -> list[Dataset]:
        """The datasets that the samples come from."""

    @abstractmethod
    def _places(self, positions: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """For positions of the whole: the numbers of their sources, and positions there."""

    # --- samples

    def __len__(self) -> int:
        return len(self._view)

    @overload
    def __getitem__(self, index: SupportsIndex) -> Sample: ...
    @overload
    def __getitem__(self, index: slice) -> Self: ...
    def __getitem__(self, index: SupportsIndex | slice) -> Sample | Self:
        """The sample at `index` (negative counts from the end), or a view for a slice.

        Raises:
            IndexError: There is no such sample.
            SourceChangedError: The file was overwritten or cut since it was opened.
        """
        if isinstance(index, slice):
            return self._viewed(self._view[index])
        sample = self._sample(self._position(index))
        self._decode_eagerly([sample])
        return sample

    def __getitems__(self, indices: Iterable[SupportsIndex]) -> list[Sample]:
        """The samples at these indices, in their order. Where images are decoded eagerly,
        those of all samples in one parallel call. PyTorch's DataLoader calls it for a batch.
        """
        samples = [self._sample(self._position(index)) for index in indices]
        self._decode_eagerly(samples)
        return samples

    def __iter__(self) -> Iterator[Sample]:
        for index in range(len(self)):
            yield self[index]

    def select(self, indices: Iterable[SupportsIndex] | NDArray[Any]) -> Self:
        """A view of the samples at these indices, in their order; repeats are allowed.

        Raises:
            IndexError: One of them does not exist.
            TypeError: They are not integers.
        """
        chosen = _as_indices(indices, len(self))
        if isinstance(chosen, range) and isinstance(self._view, range):
            start, step = self._view.start, self._view.step
            return self._viewed(
                range(start + step * chosen.start, start + step * chosen.stop, step * chosen.step)
            )
        return self._viewed(self._positions()[chosen])

    # --- columns

    def column(self, name: str, *, missing: Any = None) -> NDArray[Any]:
        """One value of every sample as an array, decoding no image and keeping no record.

        The first time, one parallel pass reads the whole file; the column is then kept
        beside the offset index, and comes at once.

        Args:
            name: A field that holds a number, true or false, as ``"token_num"`` or
                ``"clip_score"``. Or one of three that are made: ``"images"``, how
                many images a sample has, counted; ``"vid"``, the video of its first
                keyframe, empty where there is none; ``"bytes"``, its record's length.
            missing: What stands where a sample has no such field or null; None raises.

        Returns:
            An array of shape (len(self),): int64, float64 or bool, as the values are;
            strings for ``"vid"``.

        Raises:
            RecordError: A sample of this view has no such value, and `missing` is None;
                or its record is broken, or the value is none of the kinds above, or
                not of the others' kind.

        >>> import textbook_fast
        >>> ds = textbook_fast.open("example_data/textbook_sample_100.json")
        >>> int(ds.column("image_num").sum())
        202
        """
        if not isinstance(name, str):
            raise TypeError(f"a column's name is a string, not {type(name).__name__}")
        return self._whole_column(name, self._positions(), missing)

    def filter(
        self, function: Callable[..., Any], *, columns: str | Sequence[str] | None = None
    ) -> Self:
        """A view of the samples for which `function` is true.

        Args:
            function: With `columns` it gets their arrays and returns one bool for each
                sample, at once: ``ds.filter(lambda n: n <= 12, columns="images")``.
                Without, it gets one `Sample` after another, which reads every record.
            columns: The names of columns, as of `column`.

        Raises:
            ValueError: With `columns`, what comes back is not one bool for each sample.
            RecordError: As of `column`; or as the function meets it.
        """
        if columns is None:
            mask = np.fromiter((bool(function(sample)) for sample in self), bool, len(self))
            return self._viewed(self._positions()[mask])
        names = [columns] if isinstance(columns, str) else list(columns)
        mask = np.asarray(function(*(self.column(name) for name in names)))
        if mask.dtype != bool or mask.shape != (len(self),):
            raise ValueError(
                f"the filter's function has to return one bool for each of the {len(self)} "
                f"samples, not {mask.dtype} of shape {mask.shape}"
            )
        return self._viewed(self._positions()[mask])

    def group_by(self, column: str) -> Groups[Self]:
        """Views of the samples that have one value of a column, by that value.

        ``ds.group_by("vid")[vid]`` are the samples of one video. Nothing is copied: a
        group is made when it is asked for.

        Raises:
            RecordError: As of `column`.
        """
        return Groups(self, self.column(column))

    def bucket_by(self, column: str, bounds: Iterable[float]) -> list[Self]:
        """Views by ranges of a column: below the first bound, from each bound to the
        next, and from the last bound on. So samples of like length can be batched.

        Raises:
            ValueError: The bounds do not increase.
            RecordError: As of `column`.
        """
        edges = np.asarray(list(bounds))
        if edges.ndim != 1 or not np.all(edges[1:] > edges[:-1]):
            raise ValueError(f"bounds have to be numbers that increase, not {edges.tolist()}")
        buckets = np.searchsorted(edges, self.column(column), side="right")
        positions = self._positions()
        return [self._viewed(positions[buckets == number]) for number in range(len(edges) + 1)]

    def batch(
        self, indices: Iterable[SupportsIndex], *, out: NDArray[Any] | None = None
    ) -> ImageBatch:
        """The images of the samples at these indices in one array, their texts beside it.

        All images are read, decoded and transformed in parallel, straight into the array.
        The dataset has to be opened with an `ImageTransform`; several datasets with the same one.

        Args:
            indices: Of the samples, in the batch's order.
            out: An array to write to, whose first part `ImageBatch.images` then is:
                C-contiguous, of the transform's dtype and the shape that `ImageBatch`
                says, or longer. After an error its content is unspecified.

        Raises:
            IndexError: One of the samples does not exist.
            ImageError: An image cannot be had, with ``on_error="raise"``.
            TypeError: A dataset has no `ImageTransform` or another one, or `out` another dtype.
            ValueError: `out` is too short, has another shape, or is not contiguous.
        """
        readers = {id(source._reader): source._reader for source in self._sources()}
        samples = [self._sample(self._position(k)) for k in indices]
        return make_batch(list(readers.values()), samples, out)

    # --- looking for samples

    def search(
        self,
        pattern: str,
        *,
        field: SearchField = "texts",
        ignore_case: bool = True,
        regex: bool = False,
        limit: int | None = None,
    ) -> Iterator[SearchHit]:
        """The texts that match, one after another as they are found, in order.

        The file is searched in all threads, without parsing what cannot match; escapes
        of JSON and non-ASCII text are found whichever way they are spelled.

        Args:
            pattern: What to look for.
            field: ``"texts"`` for what is said, ``"text_ocr_list"`` for that and what
                can be read in the keyframes.
            ignore_case: Whether upper and lower case are the same.
            regex: Whether `pattern` is a regular expression, in the syntax of Rust's
                regex crate: it takes linear time whatever the pattern is, and so has no
                backreferences and no look-around.
            limit: At most so many hits; None for all.

        Raises:
            ValueError: `pattern` is empty, or no regular expression; the message says
                where. Or `field` is none of its choices.
            RecordError: A sample that may match is broken.

        >>> import textbook_fast
        >>> ds = textbook_fast.open("example_data/textbook_sample_100.json")
        >>> [hit.sample for hit in ds.search("the valley in between")]
        [0]
        """
        return search_all(
            [(share.source._files, share.positions, share.places) for share in self._by_source()],
            pattern,
            field=field,
            ignore_case=ignore_case,
            regex=regex,
            limit=limit,
            threads=self._sources()[0]._options.threads,
        )

    def statistics(
        self, *, images: int | None = 2000, similarity: int | Literal["all"] | None = None
    ) -> Statistics:
        """What the dataset holds: one pass over all samples in all threads, then a look at
        some images.

        Args:
            images: At most so many images, evenly spread over the dataset, are looked at
                for their sizes; None for all.
            similarity: At most so many samples for each number of images from 4 to 8 are
                decoded, and all pairs of their images compared (SSIM); ``"all"`` for all
                samples, None for no comparison.

        Raises:
            RecordError: A sample is broken.
            SourceNotFoundError: There is no folder of images, with `similarity`.

        >>> import textbook_fast
        >>> ds = textbook_fast.open("example_data/textbook_sample_100.json")
        >>> round(ds.statistics(images=0).images.mean, 2)
        2.02
        """
        if similarity is not None and similarity != "all" and similarity < 1:
            raise ValueError(f"similarity must be 1 or more, 'all' or None, not {similarity}")
        if images is not None and images < 0:
            raise ValueError(f"images must be 0 or more, or None, not {images}")

        shares = self._by_source()
        ends = np.cumsum([len(share) for share in shares])

        def image_paths(place: int) -> tuple[ImageReader, list[str]]:
            number = int(np.searchsorted(ends, place, side="right"))
            share = shares[number]
            inside = place - (int(ends[number]) - len(share))
            position = inside if share.positions is None else int(share.positions[inside])
            sample = share.source._sample(position)
            return share.source._reader, [path for path in sample.image_paths if path]

        return measure(
            [(share.source._files, share.positions) for share in shares],
            image_paths,
            images=images,
            similarity=similarity,
            threads=self._sources()[0]._options.threads,
        )

    # --- inside

    def _by_source(self) -> list[Share]:
        """The samples by the dataset that they come from; at least one, perhaps empty."""
        sources, (numbers, positions) = self._sources(), self._places(self._positions())
        shares = []
        for number, source in enumerate(sources):
            places = np.flatnonzero(numbers == number)
            if len(places) or (number == 0 and not len(self)):
                shares.append(Share(source, positions[places], places))
        return shares

    def _positions(self) -> NDArray[np.int64]:
        return np.asarray(self._view, dtype=np.int64)

    def _position(self, index: SupportsIndex) -> int:
        try:
            asked = operator.index(index)
        except TypeError:
            raise TypeError(
                f"a sample's index is an integer or a slice, not {type(index).__name__}"
            ) from None
        count = len(self._view)
        position = asked + count if asked < 0 else asked
        if not 0 <= position < count:
            raise SampleIndexError(f"there is no sample {asked}: the dataset has {count}")
        return int(self._view[position])


S_co = TypeVar("S_co", bound=Samples, covariant=True)


class Groups(Mapping[Any, S_co]):
    """Views of samples by a value that they share. Made by `Samples.group_by`."""

    __slots__ = ("_order", "_samples", "_slices")

    def __init__(self, samples: S_co, values: NDArray[Any]) -> None:
        self._samples = samples
        self._order = np.argsort(values, kind="stable")
        keys, starts = np.unique(values[self._order], return_index=True)
        ends = [*starts[1:].tolist(), len(values)]
        self._slices = dict(
            zip(keys.tolist(), zip(starts.tolist(), ends, strict=True), strict=True)
        )

    def __getitem__(self, key: Any) -> S_co:
        start, end = self._slices[key]
        return self._samples.select(self._order[start:end])

    def __iter__(self) -> Iterator[Any]:
        return iter(self._slices)

    def __len__(self) -> int:
        return len(self._slices)

    def __repr__(self) -> str:
        return f"<textbook_fast.Groups: {len(self):,} groups of {len(self._samples):,} samples>"


def pack_view(view: View) -> Any:
    """A view as small as it pickles: a bitmap for what increases, narrow integers else."""
    if isinstance(view, range) or not len(view):
        return view
    last = int(view.max())
    narrow = view.astype(np.min_scalar_type(last))
    if np.all(view[1:] > view[:-1]) and last // 8 < narrow.nbytes:
        bits = np.zeros(last + 1, dtype=bool)
        bits[view] = True
        return "bits", np.packbits(bits)
    return narrow


def unpack_view(packed: Any) -> View:
    """What `pack_view` was given."""
    if isinstance(packed, range):
        return packed
    if isinstance(packed, tuple):
        return np.flatnonzero(np.unpackbits(packed[1]))
    return np.asarray(packed, dtype=np.int64)


def _as_indices(
    indices: Iterable[SupportsIndex] | NDArray[Any], count: int
) -> range | NDArray[np.int64]:
    """The indices, checked, none of them negative."""
    if isinstance(indices, range):
        ends = (indices[0], indices[-1]) if indices else ()
        if all(0 <= end < count for end in ends):
            return indices
    if not isinstance(indices, np.ndarray):
        listed = [operator.index(index) for index in indices]
        indices = np.array(listed, dtype=np.int64)
    if indices.ndim != 1 or not np.issubdtype(indices.dtype, np.integer):
        hint = "; np.flatnonzero(mask) makes indices of a mask" if indices.dtype == bool else ""
        raise TypeError(
            f"select() takes a sequence of integers, not an array of {indices.dtype} "
            f"with {indices.ndim} dimensions{hint}"
        )
    chosen = indices.astype(np.int64)
    chosen[chosen < 0] += count
    wrong = np.flatnonzero((chosen < 0) | (chosen >= count))
    if wrong.size:
        raise SampleIndexError(
            f"there is no sample {indices[wrong[0]]} (entry {wrong[0]} of the indices): "
            f"the dataset has {count}"
        )
    return chosen
