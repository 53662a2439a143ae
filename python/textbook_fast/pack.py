"""The images of a dataset as one ordinary tar: what `textbook-fast pack` does."""

from __future__ import annotations

import functools
import gzip
import hashlib
import io
import json
import os
import random
import tarfile
import zlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, TypeAlias

from textbook_fast import _core
from textbook_fast.dataset import Dataset
from textbook_fast.errors import FormatError, ImageError
from textbook_fast.extract import MAX_FAILURES, images_of, member_name

__all__ = ["Order", "PackReport", "bytes_needed", "pack"]

Order: TypeAlias = Literal["archive", "sample"]

# After so many bytes the data is synced, and the state written: what an interruption costs.
CHECKPOINT_BYTES = 256 << 20
# So many samples are looked at to estimate what all of them need.
PROBED_SAMPLES = 64

# A member's name, and how its bytes are had; a reason instead where they cannot be.
Member: TypeAlias = tuple[str, Callable[[], bytes]]


@dataclass(slots=True)
class PackReport:
    """What is in a pack.

    Attributes:
        path: The tar.
        index: Its index; None where the pack was finished before.
        members: How many members were looked at, those of an earlier run among them.
        resumed: How many of them were in from an earlier run.
        bytes: The length of the tar without its end.
        failed: How many images are left out, because they could not be had in this run.
        failures: Why, in words, for the first of them.
    """

    path: str
    index: str | None = None
    members: int = 0
    resumed: int = 0
    bytes: int = 0
    failed: int = 0
    failures: list[str] = field(default_factory=list)

    def fail(self, reason: str) -> None:
        """Counts an image that is left out."""
        self.failed += 1
        if len(self.failures) < MAX_FAILURES:
            self.failures.append(reason)


def pack(
    ds: Dataset,
    out: str | os.PathLike[str],
    *,
    order: Order = "archive",
    samples: Sequence[int] | None = None,
    checkpoint_bytes: int = CHECKPOINT_BYTES,
    on_progress: Callable[[int], object] = lambda _: None,
) -> PackReport:
    """Writes images into an ordinary tar, their bytes untouched, with its index beside it.

    It may be interrupted at any moment, and goes on where it was when it is repeated; the
    result is the same, byte for byte. Until it is complete it is called ``<out>.part``.

    Args:
        ds: The dataset, opened with its images.
        out: The tar. It must not exist.
        order: ``"archive"``: all images of the store in the order in which they lie there,
            in one sequential pass. ``"sample"``: those that the samples name, the images
            of a sample beside each other; an image that several samples name is written
            once, with the first of them.
        samples: Indices of the samples whose images are wanted; None for all.
        checkpoint_bytes: After so many bytes the data is synced. An interruption costs no
            more than them.
        on_progress: Is called with how many bytes there are.

    Raises:
        SourceError: It exists, was begun with other files or options, or cannot be written
            (no room, no rights). What was written before stays.
    """
    path = os.path.abspath(out)
    report = PackReport(path)
    writer = _core.PackWriter.open(path, _plan(ds, order, samples), checkpoint_bytes)
    if writer is None:
        return report
    report.resumed = writer.resumed
    members = (_by_sample if order == "sample" else _by_archive)(ds, samples, report)
    for name, read in members:
        report.members += 1
        encoded = os.fsencode(name)
        if not writer.wants(encoded):
            continue
        try:
            data = read()
        except ImageError as error:
            report.fail(str(error))
            continue
        writer.add(encoded, data)
        on_progress(writer.length)
    report.bytes = writer.length
    report.index = writer.finish()
    return report


def bytes_needed(ds: Dataset, order: Order, samples: Sequence[int] | None) -> int | None:
    """About how many bytes the pack will have; None where that is not known beforehand.

    The sum of the archives' lengths, or an estimate from some of the samples.
    """
    store = ds._reader.store  # noqa: SLF001
    if order == "archive" and samples is None:
        if any(os.path.isdir(place) for place in store.places):
            return None
        return sum(size for _, (_, _, size, _) in store.archives)
    chosen = range(len(ds)) if samples is None else samples
    probed = random.Random(0).sample(chosen, min(PROBED_SAMPLES, len(chosen)))  # noqa: S311
    total = 0
    for image in images_of(ds, probed):
        try:
            total += -(-len(ds.read_image(image)) // 512) * 512 + 512
        except ImageError:
            continue
    return total * len(chosen) // max(len(probed), 1)


def _plan(ds: Dataset, order: Order, samples: Sequence[int] | None) -> int:
    """A number for what is packed, by which an unfinished pack is known again."""
    store = ds._reader.store  # noqa: SLF001
    chosen = samples if samples is None else list(samples)
    files = ds._files.identities  # noqa: SLF001
    plan = json.dumps([order, chosen, files, store.archives, store.places])
    return int.from_bytes(hashlib.blake2b(plan.encode(), digest_size=8).digest(), "little")


def _by_sample(ds: Dataset, samples: Sequence[int] | None, report: PackReport) -> Iterator[Member]:
    for path in images_of(ds, range(len(ds)) if samples is None else samples):
        try:
            name = member_name(path)
        except ValueError as error:
            report.fail(str(error))
            continue
        yield name, lambda path=path: ds.read_image(path)  # type: ignore[misc]


def _by_archive(ds: Dataset, samples: Sequence[int] | None, report: PackReport) -> Iterator[Member]:
    wanted = None if samples is None else {_key(image) for image in images_of(ds, samples)}
    store = ds._reader.store  # noqa: SLF001
    compressed = {info["parts"][0]: info["parts"] for info in store.archive_infos}
    for place in store.places:
        if os.path.isdir(place):
            of_place = _of_folder(place)
        elif place in compressed:
            of_place = _of_tar_gz(compressed[place], store, report)
        else:
            of_place = _of_tar(place, store, report)
        for name, read in of_place:
            if wanted is None or _key(name) in wanted:
                yield name, read


def _key(path: str) -> str:
    """What an image is known by: a keyframe's name, else its relative path."""
    if _core.parse_keyframe_name(path) is not None:
        return path.rpartition("/")[2]
    return path.lstrip("/")


def _of_folder(root: str) -> Iterator[Member]:
    """All regular files below a folder, in the order of their names."""
    for folder, folders, files in os.walk(root):
        folders.sort()
        for file in sorted(files):
            path = os.path.join(folder, file)
            if os.path.isfile(path):
                yield os.path.relpath(path, root), lambda path=path: _read(path)  # type: ignore[misc]


def _read(path: str) -> bytes:
    try:
        with open(path, "rb") as file:
            return file.read()
    except OSError as error:
        raise ImageError(f"cannot read {path}: {error.strerror}", image=path) from None


def _of_tar(path: str, store: _core.ImageStore, report: PackReport) -> Iterator[Member]:
    """All members of a tar that are files, or links to files in it."""
    reader = _core.TarReader(path)
    while (member := reader.next()) is not None:
        encoded, kind, data, size = member
        read = functools.partial(reader.read, data, size) if kind == "file" else None
        is_link = kind in {"hard link", "symbolic link"}
        yield from _member((path, os.fsdecode(encoded)), read, store if is_link else None, report)


def _of_tar_gz(
    parts: Sequence[str], store: _core.ImageStore, report: PackReport
) -> Iterator[Member]:
    """The same of a compressed tar, in one pass over its stream. A member's bytes can be had
    only until the next one is asked for.
    """
    first = parts[0]
    joined = io.BufferedReader(_Joined(parts), 1 << 20)
    try:
        with (
            joined,
            gzip.GzipFile(fileobj=joined) as stream,
            tarfile.open(fileobj=stream, mode="r|", errorlevel=2) as archive,
        ):
            while (info := archive.next()) is not None:
                # They would be gigabytes in the end.
                archive.members.clear()  # type: ignore[attr-defined]
                if info.isdir():
                    continue
                file = archive.extractfile(info) if info.isreg() and not info.issparse() else None
                read = None if file is None else file.read
                is_link = info.islnk() or info.issym()
                yield from _member((first, info.name), read, store if is_link else None, report)
            while stream.read(1 << 20):  # up to the checksum, which stands at the end
                pass
    except (tarfile.TarError, EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise FormatError(f"{first}: broken or cut: {error}", path=first, offset=0) from None


def _member(
    where: tuple[str, str],
    read: Callable[[], bytes] | None,
    store_of_link: _core.ImageStore | None,
    report: PackReport,
) -> Iterator[Member]:
    path, name = where
    parts = [part for part in name.split("/") if part not in {"", "."}]
    plain = "/".join(parts)
    if ".." in parts or not parts:
        report.fail(f"{path}: member {name!r} leads out of a folder, and is left out")
    elif read is not None:
        yield plain, read
    elif store_of_link is not None:
        yield plain, functools.partial(store_of_link.read, plain)
    else:
        report.fail(f"{path}: member {name!r} is no file that can be read")


class _Joined(io.RawIOBase):
    """Files, one after the other, as one stream."""

    def __init__(self, paths: Sequence[str]) -> None:
        self._paths = list(reversed(paths))
        self._file: io.FileIO | None = None

    def readable(self) -> bool:
        return True

    def close(self) -> None:
        if self._file is not None:
            self._file.close()
        super().close()

    def readinto(self, buffer: Any) -> int:
        while True:
            if self._file is None:
                if not self._paths:
                    return 0
                self._file = io.FileIO(self._paths.pop())
            count = self._file.readinto(buffer)
            if count:
                return count
            self._file.close()
            self._file = None
