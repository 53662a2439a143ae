"""The images of a dataset as one ordinary tar: what `textbook-fast pack` does."""

from __future__ import annotations

import contextlib
import functools
import hashlib
import json
import os
import random
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Literal, TypeAlias

from textbook_fast import _core
from textbook_fast.dataset import Dataset
from textbook_fast.errors import ImageError
from textbook_fast.extract import MAX_FAILURES, images_of, read_together
from textbook_fast.threads import choose_threads

__all__ = ["Order", "PackReport", "bytes_needed", "pack"]

Order: TypeAlias = Literal["archive", "sample"]

# After so many bytes the data is synced, and the state written: what an interruption costs.
CHECKPOINT_BYTES = 256 << 20
# So much of a compressed archive is inflated at once.
BATCH_BYTES = 32 << 20
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
            in one sequential pass; those of a compressed archive through its index, in
            all threads, each against its checksum. ``"sample"``: those that the samples
            name, the images of a sample beside each other; an image that several samples
            name is written once, with the first of them.
        samples: Indices of the samples whose images are wanted; None for all.
        checkpoint_bytes: After so many bytes the data is synced. An interruption costs no
            more than them.
        on_progress: Is called with how many bytes there are.

    Raises:
        SourceError: It exists, was begun with other files or options, or cannot be written
            (no room, no rights). What was written before stays.
        FormatError: A compressed archive is damaged; the message says in which part, and
            where. After the part has been replaced the next call goes on.
    """
    path = os.path.abspath(out)
    report = PackReport(path)
    writer = _core.PackWriter.open(path, _plan(ds, order, samples), checkpoint_bytes)
    if writer is None:
        return report
    report.resumed = writer.resumed
    # An exception may be kept, and the file would stay locked with it.
    with contextlib.closing(writer):
        work = _Pass(writer, report, on_progress, min(BATCH_BYTES, checkpoint_bytes))
        if order == "sample":
            work.add(_by_sample(ds, samples, report))
        else:
            wanted = None if samples is None else {_key(image) for image in images_of(ds, samples)}
            work.add_archives(ds._reader.store, wanted)  # noqa: SLF001
        report.bytes = writer.length
        report.index = writer.finish()
    return report


def bytes_needed(ds: Dataset, order: Order, samples: Sequence[int] | None) -> int | None:
    """About how many bytes the pack will have; None where that is not known beforehand.

    The sum of the lengths of the tars, of compressed ones as they are unpacked, or an
    estimate from some of the samples.
    """
    store = ds._reader.store  # noqa: SLF001
    if order == "archive" and samples is None:
        if any(os.path.isdir(place) for place in store.places):
            return None
        infos = store.archive_infos
        compressed = {part for info in infos for part in info["parts"]}
        plain = (size for path, (_, _, size, _) in store.archives if path not in compressed)
        return sum(info["tar_bytes"] for info in infos) + sum(plain)
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
    # A part that was replaced is another file. What is read of it is checked with the index.
    compressed = {part for info in store.archive_infos for part in info["parts"]}
    archives = [
        (path, identity[2] if path in compressed else identity) for path, identity in store.archives
    ]
    plan = json.dumps([order, chosen, files, archives, store.places])
    return int.from_bytes(hashlib.blake2b(plan.encode(), digest_size=8).digest(), "little")


def _by_sample(ds: Dataset, samples: Sequence[int] | None, report: PackReport) -> Iterator[Member]:
    """The images of samples; those that were in from an earlier run are not read."""
    images = images_of(ds, range(len(ds)) if samples is None else samples)
    for name, image in read_together(ds, images, report.fail, passed=report.resumed):
        yield name, functools.partial(_had, image)


def _had(image: bytes | ImageError) -> bytes:
    if isinstance(image, ImageError):
        raise image
    return image


@dataclass(frozen=True, slots=True)
class _Pass:
    """A pack in the making, and who is told of it."""

    writer: _core.PackWriter
    report: PackReport
    on_progress: Callable[[int], object]
    # So much is inflated at once.
    batch_bytes: int

    def add(self, members: Iterator[Member]) -> None:
        for name, read in members:
            self.report.members += 1
            encoded = os.fsencode(name)
            if not self.writer.wants(encoded):
                continue
            try:
                data = read()
            except ImageError as error:
                self.report.fail(str(error))
                continue
            self.writer.add(encoded, data)
            self.on_progress(self.writer.length)

    def add_archives(self, store: _core.ImageStore, wanted: set[str] | None) -> None:
        """All images of the store, or those that are known by these keys, as they lie there."""
        compressed = {info["parts"][0] for info in store.archive_infos}
        archives = {os.path.realpath(path) for path, _ in store.archives}
        out = os.path.realpath(self.report.path)
        skips = functools.partial(_is_no_image, out=out, archives=archives)
        for place in store.places:
            if place in compressed:
                self._add_compressed(store, place, wanted)
                continue
            is_folder = os.path.isdir(place)
            of_place = _of_folder(place, skips) if is_folder else _of_tar(place, store, self.report)
            self.add(one for one in of_place if wanted is None or _key(one[0]) in wanted)

    def _add_compressed(self, store: _core.ImageStore, first: str, wanted: set[str] | None) -> None:
        keys = None if wanted is None else {key.encode(errors="surrogatepass") for key in wanted}
        members = _core.ArchiveMembers(store, first, self.batch_bytes, keys)
        threads, _ = choose_threads(None)
        while (added := self.writer.add_next(members, threads)) is not None:
            count, left_out = added
            self.report.members += count + len(left_out)
            for reason in left_out:
                self.report.fail(reason)
            self.on_progress(self.writer.length)


def _key(path: str) -> str:
    """What an image is known by: a keyframe's name, else its relative path."""
    if _core.parse_keyframe_name(path) is not None:
        return path.rpartition("/")[2]
    return path.lstrip("/")


def _is_no_image(path: str, *, out: str, archives: set[str]) -> bool:
    """Whether a file is the pack itself, an archive that is packed, or an index."""
    path = os.path.realpath(path)
    is_own = path == out or path.startswith(f"{out}.part")
    return is_own or path in archives or path.endswith((".tfidx", ".tfidx.partial"))


def _of_folder(root: str, skips: Callable[[str], bool]) -> Iterator[Member]:
    """All regular files below a folder, in the order of their names."""
    for folder, folders, files in os.walk(root):
        folders.sort()
        for file in sorted(files):
            path = os.path.join(folder, file)
            if os.path.isfile(path) and not skips(path):
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
        report.members += 1
        report.fail(f"{path}: member {name!r} leads out of a folder, and is left out")
    elif read is not None:
        yield plain, read
    elif store_of_link is not None:
        yield plain, functools.partial(store_of_link.read, plain)
    else:
        report.members += 1
        report.fail(f"{path}: member {name!r} is no file that can be read")
