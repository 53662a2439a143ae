"""The images of many samples in one array, their texts beside it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from textbook_fast import _core
from textbook_fast.errors import ImageError
from textbook_fast.images import ImageReader, apply_transform
from textbook_fast.other_formats import decode_others
from textbook_fast.sample import Sample
from textbook_fast.threads import choose_threads
from textbook_fast.transforms import ImageTransform, Patches

__all__ = ["ImageBatch", "make_batch"]


@dataclass(frozen=True, slots=True, eq=False)
class ImageBatch:
    """The images of several samples in one array. Made by `Samples.batch`.

    ``torch.from_numpy(batch.images)`` shares its memory.

    Attributes:
        images: Where the transform gives all images one size, of shape (N, 3, height,
            width) or (N, height, width, 3). Patches: of shape (patches of all images, numbers of a
            patch), as Qwen2-VL's ``pixel_values``. Else one-dimensional: image after
            image, which `image` gives in its shape.
        sizes: Height and width of each image, int64 of shape (N, 2).
        offsets: Where each image begins in ``images`` (in images, patches or numbers), and
            the end: int64 of shape (N + 1,).
        places: The sample of each image, as its number in this batch, and its position
            in the sample's lists: int64 of shape (N, 2).
        grids: Of patches: time, height and width of each image, int64 of shape (N, 3).
        samples: `Sample.index` of each sample.
        texts: `Sample.texts` of each sample.
        errors: With ``on_error="mark"``, of the images that cannot be had, which are left
            out of all the above.
        damages: Of the images that are broken and were filled, with ``truncated="fill"``.
    """

    images: NDArray[Any]
    sizes: NDArray[np.int64]
    offsets: NDArray[np.int64]
    places: NDArray[np.int64]
    grids: NDArray[np.int64] | None
    samples: list[int]
    texts: list[list[str | None]]
    errors: list[ImageError]
    damages: list[ImageError]
    _transform: ImageTransform

    def __len__(self) -> int:
        return len(self.sizes)

    def __repr__(self) -> str:
        shape, dtype = self.images.shape, self.images.dtype
        return f"<textbook_fast.ImageBatch: {len(self)} images of {len(self.samples)} samples, {dtype} {shape}>"

    def image(self, k: int) -> Any:
        """The image `k` as a view of `images`: an array of its shape, or `Patches`.

        Raises:
            IndexError: There is no such image.
        """
        if not -len(self) <= k < len(self):
            raise IndexError(f"the batch has {len(self)} images, there is no {k}")
        k %= len(self)
        part = self.images[self.offsets[k] : self.offsets[k + 1]]
        if self.grids is not None:
            time, rows, columns = map(int, self.grids[k])
            return Patches(part, (time, rows, columns))
        height, width = map(int, self.sizes[k])
        is_hwc = self._transform.layout == "HWC"
        return part.reshape((height, width, 3) if is_hwc else (3, height, width))


@dataclass(slots=True)
class _Entry:
    """An image on its way into the batch."""

    sample: int
    position: int
    path: str
    size: tuple[int, int] = (0, 0)
    start: int | None = None  # where its bytes begin in the batch
    made: Any = None  # where the core could not make it: what Python made
    error: ImageError | None = None
    damage: ImageError | None = None


def make_batch(
    readers: Sequence[ImageReader], samples: Sequence[Sample], out: NDArray[Any] | None
) -> ImageBatch:
    """See `Samples.batch`. The readers are those of all datasets that samples may be of."""
    transform = _transform_of(readers)
    texts = [sample.texts for sample in samples]
    entries = [
        _Entry(number, position, path)
        for number, sample in enumerate(samples)
        for position, path in enumerate(sample._checked_paths())
        if path is not None
    ]
    for sample in samples[:1] if entries else ():
        sample._open_reader(decodes=True)
    threads, _ = choose_threads(readers[0].threads)
    parts = [_Part(reader, transform, entries, samples, threads) for reader in readers]
    _raise(samples, entries)
    wanted = [entry for entry in entries if entry.error is None]
    units = [_units(transform, entry.size) for entry in wanted]
    shape = _shape(transform, sum(units))
    images = _memory(out, shape, np.dtype(transform.dtype))
    flat = images.reshape(-1).view(np.uint8)
    unit = int(np.prod(shape[1:], dtype=np.int64)) * images.itemsize
    for entry, begin in zip(wanted, [0, *np.cumsum(units).tolist()], strict=False):
        entry.start = begin * unit
    for part in parts:
        part.fill(flat, samples)
    _raise(samples, entries)
    left, units = _close_gaps(flat, wanted, units, unit)
    grids = None
    if transform.layout == "patches":
        side = transform.patch_size
        grids = _table([(1, entry.size[0] // side, entry.size[1] // side) for entry in left], 3)
    return ImageBatch(
        images=images[: sum(units)],
        sizes=_table([entry.size for entry in left], 2),
        offsets=np.concatenate([[0], np.cumsum(units, dtype=np.int64)]).astype(np.int64),
        places=_table([(entry.sample, entry.position) for entry in left], 2),
        grids=grids,
        samples=[sample.index for sample in samples],
        texts=texts,
        errors=_errors(samples, entries),
        damages=[entry.damage for entry in entries if entry.damage is not None],
        _transform=transform,
    )


def _transform_of(readers: Sequence[ImageReader]) -> ImageTransform:
    """The transform of all of them."""
    first = readers[0].transform
    for reader in readers:
        transform = reader.transform
        if not isinstance(transform, ImageTransform):
            raise TypeError(
                "batch() needs a dataset that was opened with transform=ImageTransform(...), "
                f"not {transform!r}"
            )
        if transform != first:
            raise TypeError(
                "batch() puts all images into one array, and the datasets were opened with "
                f"different transforms: {first!r} and {transform!r}"
            )
    return first  # type: ignore[return-value]  # checked: it is the first of them


class _Part:
    """The images of one reader."""

    def __init__(
        self,
        reader: ImageReader,
        transform: ImageTransform,
        entries: list[_Entry],
        samples: Sequence[Sample],
        threads: int,
    ) -> None:
        """Reads all images, and gives the entries their sizes or errors."""
        self._reader = reader
        self._threads = threads
        self._entries = [entry for entry in entries if samples[entry.sample]._reader is reader]
        self._core: _core.Batch | None = None
        if not self._entries:
            return
        paths = [entry.path for entry in self._entries]
        self._core = _core.Batch(reader.store, paths, transform._core, threads)
        for entry, size in zip(self._entries, self._core.sizes, strict=True):
            if not isinstance(size, ImageError):
                entry.size = size
                continue
            image = decode_others([size], [entry.path], reader.read)[0]
            if image is not None and not isinstance(image, ImageError):
                entry.made = apply_transform(transform, entry.path, image)
                if not isinstance(entry.made, ImageError):
                    entry.size = transform.output_size(*image.shape[:2])
                    continue
                image = entry.made
            entry.error = image

    def fill(self, flat: NDArray[np.uint8], samples: Sequence[Sample]) -> None:
        """Decodes the images to their places."""
        if self._core is None:
            return
        starts = [entry.start for entry in self._entries]
        failures = self._core.fill(flat, starts, self._threads, self._reader.truncated)
        for entry, start, failure in zip(self._entries, starts, failures, strict=True):
            if entry.made is not None and start is not None:
                values = entry.made.values if isinstance(entry.made, Patches) else entry.made
                flat[start : start + values.nbytes] = values.reshape(-1).view(np.uint8)
            elif isinstance(failure, tuple):
                entry.damage = failure[0].at(samples[entry.sample].index, entry.position)
                self._reader.warn_of(entry.damage)
            elif failure is not None and entry.error is None:
                entry.error = failure


def _errors(samples: Sequence[Sample], entries: list[_Entry]) -> list[ImageError]:
    return [
        entry.error.at(samples[entry.sample].index, entry.position)
        for entry in entries
        if entry.error is not None
    ]


def _raise(samples: Sequence[Sample], entries: list[_Entry]) -> None:
    raising = [entry for entry in entries if samples[entry.sample]._reader.on_error == "raise"]
    errors = _errors(samples, raising)
    if errors:
        if len(errors) > 1:
            errors[0].add_note(f"{len(errors) - 1} more of this batch's images cannot be had")
        raise errors[0]


def _units(transform: ImageTransform, size: tuple[int, int]) -> int:
    """How much of the first axis an image takes: itself, its patches, or its numbers."""
    height, width = size
    if transform.layout == "patches":
        return height * width // transform.patch_size**2
    return height * width * 3 if transform.fixed_size is None else 1


def _shape(transform: ImageTransform, count: int) -> tuple[int, ...]:
    if transform.layout == "patches":
        return count, 3 * transform.temporal_patch_size * transform.patch_size**2
    if transform.fixed_size is None:
        return (count,)
    height, width = transform.fixed_size
    is_hwc = transform.layout == "HWC"
    return (count, height, width, 3) if is_hwc else (count, 3, height, width)


def _memory(out: NDArray[Any] | None, shape: tuple[int, ...], dtype: np.dtype[Any]) -> NDArray[Any]:
    """An array of this shape: the first part of `out`, or memory that is used again."""
    if out is None:
        size = int(np.prod(shape, dtype=np.int64)) * dtype.itemsize
        memory: NDArray[Any] = _core.take_memory(size).view(dtype).reshape(shape)
        return memory
    wanted = f"a writable, C-contiguous {dtype} array of shape {shape} or longer"
    if not isinstance(out, np.ndarray) or out.dtype != dtype:
        kind = out.dtype if isinstance(out, np.ndarray) else type(out).__name__
        raise TypeError(f"out must be {wanted}, not {kind}")
    if not (out.flags.c_contiguous and out.flags.writeable):
        raise ValueError(f"out must be {wanted}: it is not contiguous, or not writable")
    if out.ndim != len(shape) or out.shape[1:] != shape[1:] or len(out) < shape[0]:
        raise ValueError(f"out must be {wanted}, not {out.shape}")
    return out[: shape[0]]


def _close_gaps(
    flat: NDArray[np.uint8], entries: list[_Entry], units: list[int], unit: int
) -> tuple[list[_Entry], list[int]]:
    """Moves images up to where images were that turned out to be broken."""
    left: list[_Entry] = []
    kept: list[int] = []
    source = target = 0
    for entry, count in zip(entries, units, strict=True):
        size = count * unit
        if entry.error is None:
            if source != target:
                flat[target : target + size] = flat[source : source + size].copy()
            left.append(entry)
            kept.append(count)
            target += size
        source += size
    return left, kept


def _table(rows: list[tuple[int, ...]], columns: int) -> NDArray[np.int64]:
    return np.array(rows, dtype=np.int64).reshape(-1, columns)
