"""What a dataset holds: counts, distributions, how alike a sample's images are."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Literal, TypeAlias

import numpy as np
from numpy.typing import ArrayLike, NDArray

from textbook_fast import _core
from textbook_fast.errors import ImageError, TextbookError
from textbook_fast.images import ImageReader
from textbook_fast.threads import choose_threads

__all__ = ["Distribution", "Similarity", "Statistics", "measure", "structural_similarity"]

ImagePaths: TypeAlias = Callable[[int], tuple[ImageReader, list[str]]]
"""Gives the paths of the images of the sample at a place in the view."""

PERCENTILES = (1, 5, 25, 50, 75, 95, 99)
MAX_BINS = 40
MISSING = np.iinfo(np.int64).min
# As the paper does: samples with so many images.
COMPARED = range(4, 9)
SHOWN_ERRORS = 5


@dataclass(frozen=True, slots=True)
class Distribution:
    """How numbers are spread.

    Attributes:
        count: How many there are.
        total: Their sum.
        mean: Their mean; of none, as are the next three, None.
        min: The least.
        percentiles: The 1st, 5th, 25th, 50th, 75th, 95th and 99th, by their number.
        max: The greatest.
        edges: The borders of the histogram's bins, one more than `counts`: a bin holds its
            lower border, and the last one its upper border as well. What lies beyond the
            99th percentile by far is in the last bin.
        counts: How many lie in each bin.
    """

    count: int
    total: float
    mean: float | None
    min: float | None
    percentiles: dict[str, float]
    max: float | None
    edges: list[float]
    counts: list[int]


@dataclass(frozen=True, slots=True)
class Similarity:
    """SSIM of the images of samples with one number of images.

    Attributes:
        images: That number.
        samples: How many such samples there are.
        compared: How many of them were compared.
        failed: How many could not be, for an image that cannot be had.
        mean: The mean over samples of the mean over all pairs of a sample's images;
            None where none was compared.
    """

    images: int
    samples: int
    compared: int
    failed: int
    mean: float | None


@dataclass(frozen=True, slots=True)
class Statistics:
    """What a dataset holds. `to_dict` is for JSON, `to_html` a page with plots.

    Attributes:
        files: The files that were counted.
        samples: How many samples.
        images: Images a sample.
        texts: Texts a sample.
        text_tokens: ``text_num`` a sample, where it is there.
        tokens: ``token_num`` a sample, where it is there.
        characters: Characters of `texts` a sample.
        videos: How many different videos.
        clips: How many different clips of videos.
        clip_seconds: Length of a clip, in seconds.
        hours: Length of all clips together, in hours.
        images_per_clip: Images a clip.
        other_images: Images whose name is no keyframe's, so that they count to no video.
        ocr_share: Which part of the characters of `text_ocr_list` is not in `texts`; None
            where there is no text.
        ocr_text_share: Which part of the texts has more in `text_ocr_list`; None where
            there is no text.
        image_bytes: Bytes of an image file, of those that were looked at.
        dimensions: ``"1280x720"`` and how often, of those that were looked at.
        images_looked_at: How many images were looked at: evenly spread over the dataset.
        image_errors: How many of those cannot be had.
        image_error_examples: Some of those, in words.
        similarity: How alike a sample's images are, by their number; None where it was
            not asked for.
    """

    files: list[str]
    samples: int
    images: Distribution
    texts: Distribution
    text_tokens: Distribution
    tokens: Distribution
    characters: Distribution
    videos: int
    clips: int
    clip_seconds: Distribution
    hours: float
    images_per_clip: Distribution
    other_images: int
    ocr_share: float | None
    ocr_text_share: float | None
    image_bytes: Distribution
    dimensions: dict[str, int]
    images_looked_at: int
    image_errors: int
    image_error_examples: list[str]
    similarity: list[Similarity] | None

    def to_dict(self) -> dict[str, Any]:
        """All of it, of what JSON knows."""
        return asdict(self)

    def to_html(self) -> str:
        """A page with plots that needs nothing else: no script, no other file."""
        from textbook_fast.viewer.statistics_page import statistics_page

        return statistics_page(self)

    def __str__(self) -> str:
        """A table for the terminal."""
        from textbook_fast.viewer.statistics_text import statistics_text

        return statistics_text(self)


def structural_similarity(a: ArrayLike, b: ArrayLike) -> float:
    """SSIM of two gray pictures, as scikit-image's function of this name gives it by
    default for uint8: a uniform window of 7 x 7, sample covariance, values of 0 to 255.

    Args:
        a: uint8, shape (height, width), at least 7 x 7.
        b: The same shape.

    Raises:
        TypeError: They are not uint8.
        ValueError: Their shapes differ, are not of two dimensions, or are too small.

    >>> flat = np.full((8, 8), 7, dtype=np.uint8)
    >>> structural_similarity(flat, flat)
    1.0
    """
    pictures = [np.asarray(a), np.asarray(b)]
    for picture in pictures:
        if picture.dtype != np.uint8:
            raise TypeError(f"a gray picture is an array of uint8, not of {picture.dtype}")
        if picture.ndim != 2:  # noqa: PLR2004
            raise ValueError(f"a gray picture has the shape (height, width), not {picture.shape}")
    return _core.ssim(pictures[0], pictures[1])


def measure(
    views: Sequence[tuple[_core.Files, NDArray[np.int64] | None]],
    image_paths: ImagePaths,
    *,
    images: int | None,
    similarity: int | Literal["all"] | None,
    threads: int | None,
) -> Statistics:
    """Counts the samples of views. See `Samples.statistics`.

    Args:
        views: Open files, and positions there; None for all.
        image_paths: Gives the paths of the images of the sample at a place in the views, one
            after another, and where they are.
        images: At most so many images are looked at; None for all.
        similarity: At most so many samples are compared for each number of images; "all"
            for all, None for no comparison.
        threads: How many threads.
    """
    chosen, _ = choose_threads(threads)
    counts = _core.count_samples(views, chosen)
    of_images = counts["images"]
    seconds = counts["clip_seconds"]
    said, seen = int(counts["characters"].sum()), int(counts["ocr_characters"].sum())
    texts = int(counts["texts"].sum())
    looked = _look_at_images(image_paths, of_images, images, chosen)
    compared = None
    if similarity is not None:
        limit = None if similarity == "all" else similarity
        compared = [_compare(image_paths, of_images, number, limit, chosen) for number in COMPARED]
    return Statistics(
        files=list(dict.fromkeys(path for files, _ in views for path in files.paths)),
        samples=len(of_images),
        images=distribution(of_images),
        texts=distribution(counts["texts"]),
        text_tokens=distribution(_present(counts["text_num"])),
        tokens=distribution(_present(counts["token_num"])),
        characters=distribution(counts["characters"]),
        videos=counts["videos"],
        clips=len(seconds),
        clip_seconds=distribution(seconds),
        hours=float(seconds.sum()) / 3600,
        images_per_clip=distribution(counts["clip_keyframes"]),
        other_images=counts["other_images"],
        ocr_share=seen / (said + seen) if said + seen else None,
        ocr_text_share=counts["ocr_texts"] / texts if texts else None,
        **looked,
        similarity=compared,
    )


def _present(values: NDArray[np.int64]) -> NDArray[np.int64]:
    present: NDArray[np.int64] = values[values != MISSING]
    return present


def distribution(values: NDArray[Any]) -> Distribution:
    """How these numbers are spread."""
    if not values.size:
        return Distribution(0, 0.0, None, None, {}, None, [], [])
    percentiles = np.percentile(values, PERCENTILES)
    edges = _edges(values, float(percentiles[-1]))
    counts, _ = np.histogram(np.minimum(values, edges[-1]), edges)
    return Distribution(
        count=int(values.size),
        total=float(values.sum()),
        mean=float(values.mean()),
        min=float(values.min()),
        percentiles={
            str(name): float(value) for name, value in zip(PERCENTILES, percentiles, strict=True)
        },
        max=float(values.max()),
        edges=[float(edge) for edge in edges],
        counts=[int(count) for count in counts],
    )


def _edges(values: NDArray[Any], most: float) -> NDArray[Any]:
    """Borders of at most `MAX_BINS` bins, whole numbers wide where the values are whole."""
    low, high = float(values.min()), float(values.max())
    # A long tail would leave all the rest in one bin.
    high = min(high, max(most * 2, low + 1))
    width = max(high - low, 1e-9) / MAX_BINS
    if np.issubdtype(values.dtype, np.integer):
        width = max(1, int(np.ceil((high - low + 1) / MAX_BINS)))
        return np.arange(low, high + width + 0.5, width)
    return np.linspace(low, high if high > low else low + 1, MAX_BINS + 1)


def _spread(count: int, limit: int | None) -> NDArray[np.int64]:
    """At most `limit` of the places 0 to `count` - 1, evenly spread."""
    if limit is None or count <= limit:
        return np.arange(count)
    return np.linspace(0, count - 1, limit).astype(np.int64) if limit else np.arange(0)


def _look_at_images(
    image_paths: ImagePaths,
    of_images: NDArray[np.int64],
    limit: int | None,
    threads: int,
) -> dict[str, Any]:
    ends = np.cumsum(of_images)
    wanted = _spread(int(ends[-1]) if ends.size else 0, limit)
    wanted_of: dict[int, tuple[ImageReader, list[str]]] = {}
    owners = np.searchsorted(ends, wanted, side="right")
    for owner in np.unique(owners):
        reader, mine = image_paths(int(owner))
        first = int(ends[owner]) - len(mine)
        _, paths = wanted_of.setdefault(id(reader), (reader, []))
        paths.extend(mine[int(place) - first] for place in wanted[owners == owner])
    errors: list[str] = []
    measured: list[tuple[int, int, int]] = []
    for reader, paths in wanted_of.values():
        for result in _measured(reader, paths, threads):
            if isinstance(result, Exception):
                errors.append(str(result))
            else:
                measured.append(result)
    sizes: dict[str, int] = {}
    for _, width, height in measured:
        name = f"{width}x{height}"
        sizes[name] = sizes.get(name, 0) + 1
    return {
        "image_bytes": distribution(np.array([it[0] for it in measured], dtype=np.int64)),
        "dimensions": dict(sorted(sizes.items(), key=lambda item: (-item[1], item[0]))),
        "images_looked_at": len(wanted),
        "image_errors": len(errors),
        "image_error_examples": errors[:SHOWN_ERRORS],
    }


def _measured(
    reader: ImageReader, paths: list[str], threads: int
) -> Sequence[tuple[int, int, int] | Exception]:
    if not paths:
        return []
    try:
        store = reader.store
    except TextbookError as error:
        return [error] * len(paths)  # no folder: the counts of the JSON still hold
    return _core.measure_images(store, paths, threads)


def _compare(
    image_paths: ImagePaths,
    of_images: NDArray[np.int64],
    number: int,
    limit: int | None,
    threads: int,
) -> Similarity:
    places = np.flatnonzero(of_images == number)
    chosen = places[_spread(len(places), limit)]
    results: list[float | ImageError] = []
    # A few at a time, so that Ctrl-C does not wait for all.
    for start in range(0, len(chosen), 4 * threads):
        found = [image_paths(int(place)) for place in chosen[start : start + 4 * threads]]
        for reader in {id(reader): reader for reader, _ in found}.values():
            paths = [paths for other, paths in found if other is reader]
            results.extend(_core.compare_images(reader.store, paths, threads))
    values = [value for value in results if isinstance(value, float)]
    return Similarity(
        images=number,
        samples=len(places),
        compared=len(values),
        failed=len(results) - len(values),
        mean=float(np.mean(values)) if values else None,
    )
