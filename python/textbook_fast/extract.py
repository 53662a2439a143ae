"""Images as files below a folder: what `textbook-fast extract` does."""

from __future__ import annotations

import contextlib
import errno
import fcntl
import itertools
import os
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any, Self

from textbook_fast import _core
from textbook_fast.errors import ImageError, RecordError, SourceError
from textbook_fast.threads import choose_threads

__all__ = ["ExtractReport", "extract", "images_of", "member_name", "read_together"]

# So many failures are kept in words; the others are counted.
MAX_FAILURES = 100
# So many images a thread are read at once.
READ_TOGETHER = 32
# Files wait for their names until so many, or so many bytes, are synced together.
BATCH_FILES = 512
BATCH_BYTES = 64 << 20
FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
ONLY_NEW = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW | os.O_CLOEXEC


@dataclass(slots=True)
class ExtractReport:
    """What was written.

    Attributes:
        written: How many images were written.
        kept: How many were there already, byte for byte.
        bytes: How many bytes were written.
        failed: How many could not be had, or stand in the way of another file.
        failures: Why, in words, for the first of them.
    """

    written: int = 0
    kept: int = 0
    bytes: int = 0
    failed: int = 0
    failures: list[str] = field(default_factory=list)

    def fail(self, reason: str) -> None:
        """Counts an image that could not be had."""
        self.failed += 1
        if len(self.failures) < MAX_FAILURES:
            self.failures.append(reason)


def member_name(path: str) -> str:
    """The name of an image below a folder or in an archive: ``<vid>/<name>`` of a keyframe,
    else its relative path as it stands in the JSON.

    Raises:
        ValueError: It is absolute and no keyframe's, or leads out of a folder.
    """
    parts = [part for part in path.replace("\\", "/").split("/") if part not in {"", "."}]
    if ".." in parts or "\0" in path or not parts or path.endswith(("/", "\\")):
        raise ValueError(f"image {path!r}: it names no file inside of a folder")
    keyframe = _core.parse_keyframe_name(parts[-1])
    if keyframe is not None and keyframe[0] not in {".", ".."}:
        return f"{keyframe[0]}/{parts[-1]}"
    if path.startswith(("/", "\\")):
        raise ValueError(f"image {path!r}: an absolute name that is no keyframe's is refused")
    return "/".join(parts)


def images_of(
    ds: Any,
    samples: Iterable[int],
    done: Callable[[int], object] = lambda _: None,
    fail: Callable[[str], object] | None = None,
) -> Iterator[str]:
    """The paths of the images of these samples, each image once, in their order.

    Args:
        ds: The dataset.
        samples: Indices of it.
        done: Is called with how many samples were looked at.
        fail: Is told what is wrong with a broken record, which is then passed over.

    Raises:
        RecordError: A record is broken, and there is no `fail`.
    """
    seen: set[int] = set()  # of hashes: 6.5M names would be a gigabyte
    for number, index in enumerate(samples):
        try:
            paths = ds[index].image_paths
        except RecordError as error:
            if fail is None:
                raise
            fail(str(error))
            continue
        for path in paths:
            if path is None:
                continue
            key = hash(path.rpartition("/")[2] if _core.parse_keyframe_name(path) else path)
            if key not in seen:
                seen.add(key)
                yield path
        done(number + 1)


def read_together(
    ds: Any, images: Iterable[str], fail: Callable[[str], object], *, passed: int = 0
) -> Iterator[tuple[str, bytes | ImageError]]:
    """Names of images as of `member_name`, and their bytes: several are read at once, in all
    threads, and the next ones meanwhile.

    Args:
        ds: The dataset, opened with its images.
        images: Their paths as they stand in the JSON.
        fail: Is told why an image has no name, and is left out.
        passed: So many of the first are not read; an error stands in the place of each.
    """
    threads, _ = choose_threads(None)
    named = _named(images, fail)
    for name, path in itertools.islice(named, passed):
        yield name, ImageError(f"image {path!r}: it was passed over", image=path)
    with ThreadPoolExecutor(1) as reader:
        ready: tuple[list[str], Future[list[bytes | ImageError]]] | None = None
        while together := list(itertools.islice(named, READ_TOGETHER * threads)):
            names, paths = map(list, zip(*together, strict=True))
            read = reader.submit(_core.read_images, ds._reader.store, paths, threads)  # noqa: SLF001
            if ready is not None:
                yield from zip(ready[0], ready[1].result(), strict=True)
            ready = names, read
        if ready is not None:
            yield from zip(ready[0], ready[1].result(), strict=True)


def _named(images: Iterable[str], fail: Callable[[str], object]) -> Iterator[tuple[str, str]]:
    for path in images:
        try:
            yield member_name(path), path
        except ValueError as error:
            fail(str(error))


def extract(ds: Any, images: Iterable[str], out: str | os.PathLike[str]) -> ExtractReport:
    """Writes images as files below a folder, their bytes untouched.

    A file appears whole or not at all, and a run that was interrupted goes on when it is
    repeated: files that are there already, with the same bytes, are kept. A file with
    other bytes is never replaced, and a symbolic link in the folder never followed.

    Args:
        ds: The dataset, opened with its images.
        images: Their paths as they stand in the JSON, as `images_of` gives them.
        out: The folder; it is made.

    Raises:
        SourceError: A file cannot be written: no room, no rights, or a link in its way.
            What was written before stays.
    """
    report = ExtractReport()
    root = os.path.abspath(out)
    with _writing(root):
        os.makedirs(root, exist_ok=True)
        with _Folder(root) as folder:
            for name, data in read_together(ds, images, report.fail):
                if not isinstance(data, bytes):
                    report.fail(str(data))
                    continue
                with _writing(os.path.join(root, name)):
                    _put(folder, name, data, report)
    return report


def _put(folder: _Folder, name: str, data: bytes, report: ExtractReport) -> None:
    try:
        is_new = folder.put(name, data)
    except FileExistsError:
        report.fail(f"{name}: a file with other bytes is there already, and stays")
        return
    report.written += is_new
    report.kept += not is_new
    report.bytes += len(data) if is_new else 0


@contextlib.contextmanager
def _writing(place: str) -> Iterator[None]:
    try:
        yield
    except SourceError:
        raise
    except OSError as error:
        raise SourceError(
            f"cannot write {place}: {error.strerror}; what was written before stays, and is "
            "kept when the command is repeated",
            path=place,
            errno=error.errno,
        ) from None


class _Folder:
    """A folder to write files below: through descriptors, so that no link leads out. Files
    get their names when they are on disk, many together.
    """

    def __init__(self, path: str) -> None:
        self._root = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            fcntl.flock(self._root, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(self._root)
            raise OSError(errno.EBUSY, "another process is extracting into it") from None
        self._path = path
        self._folders: dict[str, int] = {}
        self._waiting: list[tuple[int, str, str]] = []
        self._bytes = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        try:
            self._flush()
        finally:
            os.close(self._root)

    def put(self, name: str, data: bytes) -> bool:
        """Writes a file, unless it is there with the same bytes; whether it was written.

        Raises:
            FileExistsError: One with other bytes is there.
        """
        above, _, last = name.rpartition("/")
        folder = self._folder(above)
        if _holds(folder, last, data):
            return False
        temporary = f".{last[-200:]}.part"
        try:
            with os.fdopen(os.open(temporary, ONLY_NEW, 0o644, dir_fd=folder), "wb") as stream:
                stream.write(data)
        except OSError as error:
            if error.errno != errno.ELOOP:
                with contextlib.suppress(OSError):
                    os.unlink(temporary, dir_fd=folder)
            raise
        self._waiting.append((folder, temporary, last))
        self._bytes += len(data)
        if len(self._waiting) >= BATCH_FILES or self._bytes >= BATCH_BYTES:
            self._flush()
        return True

    def _flush(self) -> None:
        if self._waiting:
            _core.sync_filesystem(self._path)
        for folder, temporary, last in self._waiting:
            os.rename(temporary, last, src_dir_fd=folder, dst_dir_fd=folder)
        for folder in self._folders.values():
            os.close(folder)
        self._waiting, self._folders, self._bytes = [], {}, 0

    def _folder(self, above: str) -> int:
        if above in self._folders:
            return self._folders[above]
        folder = os.dup(self._root)
        try:
            for part in filter(None, above.split("/")):
                with contextlib.suppress(FileExistsError):
                    os.mkdir(part, dir_fd=folder)
                inner = os.open(part, FOLDER, dir_fd=folder)
                os.close(folder)
                folder = inner
        except BaseException:
            os.close(folder)
            raise
        self._folders[above] = folder
        return folder


def _holds(folder: int, last: str, data: bytes) -> bool:
    """Whether the folder has this file with these bytes."""
    flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
    try:
        file = os.open(last, flags, dir_fd=folder)
    except FileNotFoundError:
        return False
    with os.fdopen(file, "rb") as stream:
        if os.fstat(file).st_size == len(data) and stream.read() == data:
            return True
    raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), last)
