"""Measures one corpus on this machine: what `textbook-fast bench` prints."""

from __future__ import annotations

import os
import random
import resource
import tempfile
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

from textbook_fast import _core
from textbook_fast.dataset import Dataset, open_unkept
from textbook_fast.errors import SourceNotFoundError
from textbook_fast.sample import decode_together
from textbook_fast.synthetic import link_images, write_corpus
from textbook_fast.threads import choose_threads

__all__ = ["Report", "bench", "bench_synthetic", "format_table"]

# A pass over less than this is over before it can be timed.
SMALLEST_FOR_RATE = 64 << 20
BATCH = 16


@dataclass(frozen=True, slots=True)
class Report:
    """What was measured. Seconds are wall time; kB, MB and GB are powers of ten."""

    corpus: str
    samples: int
    json_bytes: int
    images: int
    images_failed: int
    first_failure: str | None
    kb_per_image: float
    pixels_per_image: float
    index_seconds: float
    index_gb_per_second: float | None
    read_samples_per_second: float
    samples_per_second: float
    images_per_second: float
    megapixels_per_second: float
    threads: int
    threads_reason: str
    simd: str
    peak_rss_mb: float
    note: str | None

    def to_dict(self) -> dict[str, object]:
        """For JSON."""
        return asdict(self)


def bench(
    paths: str | Sequence[str],
    *,
    images: Sequence[str] | None = None,
    threads: int | None = None,
    seed: int = 0,
    note: str | None = None,
) -> Report:
    """Indexes in memory, reads every sample once in random order, decodes every image.

    Writes no sidecar. Images that cannot be had are counted, not hidden.

    Raises:
        TextbookError: As of `textbook_fast.open`.
    """
    chosen, reason = choose_threads(threads)
    begin = time.perf_counter()
    ds = open_unkept(paths, images=images, threads=chosen)
    index_seconds = time.perf_counter() - begin
    json_bytes = sum(info["text_bytes"] for info in ds.index_info)
    order = list(range(len(ds)))
    random.Random(seed).shuffle(order)  # noqa: S311
    begin = time.perf_counter()
    for index in order:
        sample = ds[index]
        _ = sample.image_paths, sample.texts
    read_seconds = time.perf_counter() - begin
    counts = _decode_all(ds, order)
    decoded = counts.images - counts.failed
    large = json_bytes >= SMALLEST_FOR_RATE
    return Report(
        corpus=", ".join([paths] if isinstance(paths, str) else paths),
        samples=len(ds),
        json_bytes=json_bytes,
        images=counts.images,
        images_failed=counts.failed,
        first_failure=counts.first_failure,
        kb_per_image=_encoded_bytes(ds, order) / 1e3,
        pixels_per_image=counts.pixels / max(decoded, 1),
        index_seconds=index_seconds,
        index_gb_per_second=json_bytes / index_seconds / 1e9 if large else None,
        read_samples_per_second=len(ds) / read_seconds if len(ds) else 0.0,
        samples_per_second=len(ds) / counts.seconds if decoded else 0.0,
        images_per_second=decoded / counts.seconds if decoded else 0.0,
        megapixels_per_second=counts.pixels / counts.seconds / 1e6 if decoded else 0.0,
        threads=chosen,
        threads_reason=reason,
        simd=_core.simd_level(),
        peak_rss_mb=resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / 1e6,
        note=note,
    )


@dataclass(slots=True)
class _Counts:
    images: int = 0
    failed: int = 0
    first_failure: str | None = None
    pixels: int = 0
    seconds: float = 0.0


def _decode_all(ds: Dataset, order: list[int]) -> _Counts:
    """Reads and decodes batch by batch, as a data loader does."""
    counts = _Counts()
    begin = time.perf_counter()
    for start in range(0, len(order), BATCH):
        samples = [ds[index] for index in order[start : start + BATCH]]
        try:
            decode_together(samples)
        except SourceNotFoundError as error:
            counts.first_failure = str(error)
            counts.images = sum(path is not None for i in order for path in ds[i].image_paths)
            counts.failed = counts.images
            break
        for image in (image for sample in samples for image in sample.images if image is not None):
            counts.images += 1
            if isinstance(image, np.ndarray):
                counts.pixels += image.shape[0] * image.shape[1]
            else:
                counts.failed += 1
                counts.first_failure = counts.first_failure or str(image)
    counts.seconds = time.perf_counter() - begin
    return counts


def _encoded_bytes(ds: Dataset, order: list[int], most: int = 1000) -> float:
    """Mean bytes of an image, over the first thousand that are there."""
    sizes: list[int] = []
    for index in order:
        for path in ds[index].image_paths:
            if path is None:
                continue
            try:
                sizes.append(len(ds.read_image(path)))
            except OSError:
                continue
            except ValueError:
                continue
        if len(sizes) >= most:
            break
    return sum(sizes) / len(sizes) if sizes else 0.0


def bench_synthetic(
    count: int, *, keyframes: str | None = None, threads: int | None = None, seed: int = 0
) -> Report:
    """`bench` on a made-up corpus of the real proportions, in a temporary folder.

    Args:
        count: How many samples.
        keyframes: A folder with JPEG files to show; None for the folder in
            ``TEXTBOOK_FAST_KEYFRAMES``, else ``example_data/sample_100_images`` here.
        threads: As of `bench`.
        seed: Of the corpus and of the order.

    Raises:
        SourceNotFoundError: There are no JPEG files in the folder.
    """
    folder = Path(
        keyframes or os.environ.get("TEXTBOOK_FAST_KEYFRAMES") or "example_data/sample_100_images"
    )
    pictures = sorted(folder.rglob("*.jpg"))
    if not pictures:
        raise SourceNotFoundError(
            f"no .jpg files below {str(folder)!r}: name a folder of keyframes with --keyframes",
            path=str(folder),
        )
    with tempfile.TemporaryDirectory(prefix="textbook_fast_bench_") as temporary:
        corpus, images = Path(temporary) / "corpus.json", Path(temporary) / "images"
        write_corpus(corpus, count, seed=seed)
        link_images(corpus, images, pictures)
        note = f"made up; its image names stand for {len(pictures)} files, over and over"
        return bench(str(corpus), images=[str(images)], threads=threads, seed=seed, note=note)


def format_table(report: Report) -> str:
    """The report for people."""
    index = f"{report.index_seconds * 1e3:.1f} ms"
    if report.index_gb_per_second is None:
        index += "  (too small for GB/s)"
    else:
        index += f"  ({report.index_gb_per_second:.1f} GB/s)"
    rows = [
        ("corpus", report.corpus),
        ("samples", f"{report.samples:,}"),
        ("JSON", f"{report.json_bytes / 1e6:,.1f} MB"),
        ("images", f"{report.images:,}"),
        ("an image", f"{report.kb_per_image:.1f} kB, {report.pixels_per_image:,.0f} pixels"),
        ("index", index),
        ("reading", f"{report.read_samples_per_second:,.0f} samples/s (image paths and texts)"),
        ("with images", f"{report.samples_per_second:,.1f} samples/s"),
        ("", f"{report.images_per_second:,.0f} images/s"),
        ("", f"{report.megapixels_per_second:,.0f} Mpixel/s"),
        ("threads", f"{report.threads} ({report.threads_reason})"),
        ("SIMD", report.simd),
        ("peak RSS", f"{report.peak_rss_mb:,.0f} MB"),
    ]
    if report.images_failed:
        rows.insert(4, ("failed", f"{report.images_failed:,}: {report.first_failure}"))
    if report.note:
        rows.append(("note", report.note))
    width = max(len(name) for name, _ in rows)
    return "\n".join(f"{name:<{width}}  {value}" for name, value in rows)
