"""The doctor of a dataset: what is wrong with its samples and images, each with its place."""

from __future__ import annotations

import os
import shlex
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, TypeAlias, TypedDict

from textbook_fast import _core
from textbook_fast.dataset import Dataset, PathLike
from textbook_fast.dataset import open as open_dataset
from textbook_fast.errors import FormatError, SourceNotFoundError, TruncatedError
from textbook_fast.threads import choose_threads

__all__ = ["CheckReport", "Finding", "check"]

Depth: TypeAlias = Literal["header", "pixels"]

# Of the missing images so many are looked for elsewhere, and in no more places.
PROBED = 16
MAX_PLACES = 1000
MAX_PREFIXES = 1000


class CheckedChunks(TypedDict):
    """What the core says of some chunks of samples."""

    findings: list[tuple[str, str, int, int, int, int | None, str | None, str]]
    samples: int
    images: int
    found: int
    bytes: int
    sizes: dict[tuple[int, int], int]
    prefixes: dict[str, tuple[int, int]]


@dataclass(frozen=True, slots=True)
class Finding:
    """Something that is wrong, and where.

    Attributes:
        severity: ``"error"``: the sample or the image cannot be used as it is;
            ``"notice"``: it is unlike the dataset, but usable.
        kind: A short stable name of what is wrong, as ``"missing"``.
        sample: The sample's index, or None for a fault of a file as a whole.
        path: The JSON file, or the archive.
        offset: The byte of it at which the trouble stands.
        position: The position in the sample's lists, if it is of one.
        image: The image's path as it stands in the JSON, if it is of one.
        reason: What is wrong, in words.
    """

    severity: str
    kind: str
    sample: int | None
    path: str
    offset: int
    position: int | None
    image: str | None
    reason: str

    def __str__(self) -> str:
        sample = "" if self.sample is None else f"sample {self.sample}, "
        position = "" if self.position is None else f"position {self.position}, "
        place = f"{sample}{position}byte {self.offset} of {self.path}"
        image = "" if self.image is None else f" {self.image!r}:"
        return f"{self.severity} {self.kind}: {place}:{image} {self.reason}"


@dataclass(slots=True)
class CheckReport:
    """What was looked at, and how much of it is wrong.

    Attributes:
        samples: Samples looked at.
        images: Images looked for.
        found: Images that are in the store.
        bytes: Bytes of images read.
        counts: How many findings of each kind there are.
        errors: How many findings are errors.
        sizes: How many images have which ``(width, height)``.
        prefixes: By what comes before ``<vid>/<name>`` in the JSON: how many images are
            in the store, and how many are not.
        advice: What may help, in words.
    """

    samples: int = 0
    images: int = 0
    found: int = 0
    bytes: int = 0
    errors: int = 0
    counts: Counter[str] = field(default_factory=Counter)
    sizes: Counter[tuple[int, int]] = field(default_factory=Counter)
    prefixes: dict[str, tuple[int, int]] = field(default_factory=dict)
    advice: list[str] = field(default_factory=list)

    def to_dict(self) -> dict[str, Any]:
        """For JSON."""
        plain: dict[str, Any] = {name: getattr(self, name) for name in self.__slots__}
        sizes = self.sizes.most_common()
        return plain | {
            "counts": dict(self.counts.most_common()),
            "sizes": {f"{width}x{height}": count for (width, height), count in sizes},
        }


def check(
    path: PathLike | Sequence[PathLike],
    *,
    images: PathLike | Sequence[PathLike] | None = None,
    depth: Depth = "header",
    threads: int | None = None,
    on_finding: Callable[[Finding], object] | None = None,
    on_progress: Callable[[int, int], object] | None = None,
) -> CheckReport:
    """Looks at every sample and every image, and says what is wrong. Changes nothing.

    No fault ends the check, which goes on with the next; it stops on Ctrl-C.

    Args:
        path: As of `textbook_fast.open`.
        images: As of `textbook_fast.open`. Where none are given and none are found
            beside the JSON, the samples alone are checked.
        depth: ``"header"`` reads every image and looks at its header and its end;
            ``"pixels"`` decodes it.
        threads: As of `textbook_fast.open`.
        on_finding: Is called with each finding, in the order of the samples.
        on_progress: Is called with how many samples are done, and how many there are.

    Raises:
        TextbookError: The files cannot be opened at all.
    """
    report = CheckReport()

    def tell(finding: Finding) -> None:
        report.counts[finding.kind] += 1
        report.errors += finding.severity == "error"
        if on_finding is not None:
            on_finding(finding)

    ds = _open(path, images, threads, tell)
    store = _store(ds, report)
    for finding in _of_archives(store):
        tell(finding)
    missing: list[str] = []
    for chunks in _chunks(ds, store, depth, threads):
        for severity, kind, sample, file, offset, position, image, reason in chunks["findings"]:
            finding = Finding(
                severity, kind, sample, ds.paths[file], offset, position, image, reason
            )
            if kind == "missing" and image is not None and len(missing) < PROBED:
                missing.append(image)
            tell(finding)
        _add(report, chunks)
        if on_progress is not None:
            on_progress(report.samples, len(ds))
    _advise(report, store, missing)
    return report


def _open(
    path: PathLike | Sequence[PathLike],
    images: PathLike | Sequence[PathLike] | None,
    threads: int | None,
    tell: Callable[[Finding], None],
) -> Dataset:
    try:
        return open_dataset(path, images=images, threads=threads)
    except TruncatedError as error:
        tell(Finding("error", "cut", None, error.path, error.offset, None, None, error.message))
        return open_dataset(path, images=images, threads=threads, recover=True)


def _store(ds: Dataset, report: CheckReport) -> _core.ImageStore | None:
    try:
        return ds._reader.store  # noqa: SLF001
    except SourceNotFoundError as error:
        report.advice.append(f"the images were not looked for: {error}")
        return None


def _of_archives(store: _core.ImageStore | None) -> Iterator[Finding]:
    if store is None:
        return
    compressed: set[str] = set()
    for info in store.archive_infos:
        compressed.update(info["parts"])
        if info["damage"] is not None:
            first = info["parts"][0]
            yield Finding("error", "damaged", None, first, 0, None, None, info["damage"])
        try:
            faults = _core.audit_tar_gz(store, info["parts"][0])
        except FormatError as error:
            faults = []
            yield Finding(
                "error", "damaged", None, error.path, error.offset, None, None, error.message
            )
        for kind, path, offset, reason in faults:
            yield Finding("notice", kind, None, path, offset, None, None, reason)
    for path in (path for path, _ in store.archives if path not in compressed):
        for kind, offset, reason in _core.audit_tar(path):
            severity = "error" if kind == "damaged" else "notice"
            yield Finding(severity, kind, None, path, offset, None, None, reason)


def _chunks(
    ds: Dataset, store: _core.ImageStore | None, depth: Depth, threads: int | None
) -> Iterator[CheckedChunks]:
    count, _ = choose_threads(threads)
    checker = _core.Checker(ds._files, store, depth=depth, threads=count)  # noqa: SLF001
    while (chunks := checker.next()) is not None:
        yield chunks


def _add(report: CheckReport, chunks: CheckedChunks) -> None:
    report.samples += chunks["samples"]
    report.images += chunks["images"]
    report.found += chunks["found"]
    report.bytes += chunks["bytes"]
    report.sizes.update(chunks["sizes"])
    for prefix, (found, missing) in chunks["prefixes"].items():
        if prefix in report.prefixes or len(report.prefixes) < MAX_PREFIXES:
            before = report.prefixes.get(prefix, (0, 0))
            report.prefixes[prefix] = (before[0] + found, before[1] + missing)


def _advise(report: CheckReport, store: _core.ImageStore | None, missing: list[str]) -> None:
    unfit = [prefix for prefix, (found, lost) in report.prefixes.items() if lost and not found]
    for prefix in unfit[:PROBED]:
        lost = report.prefixes[prefix][1]
        report.advice.append(
            f"no image with the prefix {prefix!r} is in the store, of {lost:,}"
            if prefix
            else f"no image without a prefix is in the store, of {lost:,}"
        )
    if store is None or not missing:
        return
    for place in _places_near(store.roots):
        found = sum(_core.ImageStore.of_folders([place]).has(path) for path in missing)
        if found:
            report.advice.append(
                f"{found} of the first {len(missing)} missing images are in {place}: "
                f"pass --images {shlex.quote(place)}"
            )


def _places_near(roots: Sequence[str]) -> list[str]:
    """Folders inside of the roots, beside them, and above them."""
    near: list[str] = []
    for root in roots:
        parent = os.path.dirname(root)
        for folder in (root, parent) if os.path.isdir(root) else (parent,):
            near.append(folder)
            with os.scandir(folder) as entries:
                listed = [entry for _, entry in zip(range(MAX_PLACES), entries, strict=False)]
            near.extend(sorted(entry.path for entry in listed if entry.is_dir()))
    return [place for place in dict.fromkeys(near) if place not in roots][:MAX_PLACES]
