"""The dataset: opens files, and gives samples by their index."""

from __future__ import annotations

import glob
import os
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal, SupportsIndex, TypeAlias

import numpy as np
from numpy.typing import NDArray

from textbook_fast import _core
from textbook_fast.columns import read_column
from textbook_fast.errors import SourceNotFoundError, TextbookError
from textbook_fast.images import ImageReader
from textbook_fast.index_info import Identity, IndexInfo
from textbook_fast.jpeg import OnError, check_on_error
from textbook_fast.sample import Sample, decode_together
from textbook_fast.threads import check_threads, choose_threads, in_data_loader_worker
from textbook_fast.views import Samples, View, pack_view, unpack_view

__all__ = ["Access", "Dataset", "Decode", "PathLike", "open"]

PathLike: TypeAlias = str | os.PathLike[str]
Decode: TypeAlias = Literal["auto", "lazy", "eager", "never"]
Access: TypeAlias = Literal["map", "read"]

# So many of the first samples are looked at for image paths, by which a folder is recognized.
PROBED_SAMPLES = 8
PROBED_IMAGES = 16


@dataclass(frozen=True, slots=True)
class _Options:
    """What `open` was called with, beside the files."""

    decode: Decode
    access: Access
    recover: bool
    threads: int | None


def open(  # noqa: A001
    path: PathLike | Sequence[PathLike],
    *,
    images: PathLike | Sequence[PathLike] | None = None,
    decode: Decode = "auto",
    access: Access = "map",
    on_error: OnError = "raise",
    recover: bool = False,
    threads: int | None = None,
) -> Dataset:
    """Opens interleaved JSON, a JSON array or JSON Lines, as a `Dataset`.

    The first time, one pass over the file finds where each sample lies; that offset
    index is kept beside the file (``<name>.tfidx``), in the user's cache folder
    where that is not writable, or in memory with a warning. Nothing is parsed.

    Args:
        path: A file, several, or a glob. Several are one dataset, in order.
        images: The folder of the images, a tar file of them, a folder of tar files, a
            glob, or several of these; None to find it beside the JSON when the first
            image is needed. An image is taken from the first that has it. A tar file
            is not unpacked: its headers are walked through once.
        decode: When images become arrays: ``"lazy"`` when they are touched,
            ``"eager"`` with the sample (a batch of `Dataset.__getitems__` in one
            parallel call), ``"auto"`` eager in a worker of a PyTorch DataLoader
            and lazy elsewhere, ``"never"`` for text alone.
        access: ``"map"`` maps the file into memory. ``"read"`` reads it with pread:
            for network and FUSE file systems, and where the file might be cut by
            another process while it is read, which under a map ends the process
            with SIGBUS.
        on_error: ``"raise"`` or, for images, ``"mark"``: a falsy `ImageError` stands
            in the place of an image that cannot be had. Broken records always raise.
        recover: Open what is whole of a file that is cut in the middle.
        threads: How many threads index and decode. None: ``TEXTBOOK_FAST_THREADS``,
            else 1 in a worker of a PyTorch DataLoader, else what affinity and
            cgroup quota allow, divided by ``LOCAL_WORLD_SIZE``.

    Raises:
        SourceNotFoundError: A file, a folder or an archive of images is not there.
        SourcePermissionError: It may not be read.
        FormatError: A file is no JSON array of objects. The message says where.
        TruncatedError: A file ends in the middle of its array.
        ValueError: An argument is none of its choices.

    >>> ds = open("example_data/textbook_sample_100.json")
    >>> len(ds)
    100
    """
    _check_choice("decode", decode, ("auto", "lazy", "eager", "never"))
    _check_choice("access", access, ("map", "read"))
    options = _Options(decode, access, bool(recover), check_threads(threads))
    files = _open_files(_expand(path), options)
    return _with_images(files, options, images, on_error)


def open_unkept(
    path: PathLike | Sequence[PathLike],
    *,
    images: Sequence[PathLike] | None = None,
    threads: int | None = None,
) -> Dataset:
    """As `open`, with the index built anew, in memory alone. For measuring."""
    options = _Options("lazy", "map", recover=False, threads=check_threads(threads))
    files = _open_files(_expand(path), options, read_sidecar=False, write_sidecar=False)
    return _with_images(files, options, images, "mark")


def build_index(
    path: PathLike | Sequence[PathLike], *, rebuild: bool = False, threads: int | None = None
) -> list[IndexInfo]:
    """Builds the offset index of each file, unless there is one that fits.

    Raises:
        TextbookError: As of `open`.
    """
    options = _Options("never", "map", recover=False, threads=check_threads(threads))
    return _open_files(_expand(path), options, read_sidecar=not rebuild).index_info


def _with_images(
    files: _core.Files,
    options: _Options,
    images: PathLike | Sequence[PathLike] | None,
    on_error: OnError,
) -> Dataset:
    decode, paths = options.decode, files.paths
    roots = None if images is None else _expand(images)
    reader = ImageReader(
        roots,
        beside=paths,
        probe=[] if roots is not None or decode == "never" else _probe(files),
        decodes=decode != "never",
        on_error=check_on_error(on_error),
        threads=options.threads,
    )
    return Dataset(files, options, reader, range(len(files)))


class Dataset(Samples):
    """Samples by their index. Made by `open`.

    Map-style: ``len(ds)``, ``ds[i]``, ``ds[a:b]``, and ``__getitems__`` for the batches
    of PyTorch's DataLoader. Slices and `select` are views: they share the files,
    copy no data, and their samples keep the `Sample.index` of what was opened.

    It may be used from several threads, forked, and pickled (to spawned workers):
    a copy opens the same files again, and refuses them where they have changed.
    """

    __slots__ = ("_files", "_options", "_paths", "_reader")

    def __init__(
        self, files: _core.Files, options: _Options, reader: ImageReader, view: View
    ) -> None:
        super().__init__(view)
        self._files = files
        self._paths = files.paths
        self._options = options
        self._reader = reader

    def __reduce__(self) -> tuple[Any, ...]:
        files = self._files
        view = pack_view(self._view)
        return _reopen, (self._paths, files.identities, self._options, self._reader, view)

    def __repr__(self) -> str:
        paths = self._paths
        more = f" and {len(paths) - 1} more files" if len(paths) > 1 else ""
        part = "" if len(self) == len(self._files) else f" of {len(self._files):,}"
        return f"<textbook_fast.Dataset: {len(self):,}{part} samples of {paths[0]!r}{more}>"

    def record(self, index: SupportsIndex) -> bytes:
        """The JSON of the sample at `index`, its bytes as they are in the file.

        Raises:
            IndexError: There is no such sample.
            RecordError: It is not exactly one complete JSON object.
        """
        return self._sample(self._position(index)).raw()

    def read_image(self, path: str) -> bytes:
        """The encoded bytes of the image with this path, in any of its spellings.

        Raises:
            ImageNotFoundError: It is in none of the folders.
            ImageError: It cannot be read.
        """
        return self._reader.read(path)

    @property
    def paths(self) -> list[str]:
        """The files, in the order of their samples."""
        return list(self._paths)

    @property
    def image_roots(self) -> tuple[str, ...]:
        """The folders and archives of the images; found beside the JSON where none were given.

        Raises:
            SourceNotFoundError: None were given and none were found.
        """
        return self._reader.find_roots()

    @property
    def index_info(self) -> list[IndexInfo]:
        """How each file's offset index came to be."""
        return self._files.index_info

    # --- inside

    def _viewed(self, view: View) -> Dataset:
        return Dataset(self._files, self._options, self._reader, view)

    def _sample(self, position: int) -> Sample:
        record, number, place = self._files.record(position)
        return Sample(record, position, (self._paths[number], place), self._reader)

    def _is_eager(self) -> bool:
        decode = self._options.decode
        return decode == "eager" or (decode == "auto" and in_data_loader_worker())

    def _decode_eagerly(self, samples: Sequence[Sample]) -> None:
        if self._is_eager():
            decode_together(samples)

    def _whole_column(self, name: str, wanted: NDArray[np.int64], missing: Any) -> NDArray[Any]:
        threads, _ = choose_threads(self._options.threads)
        return read_column(self._files, name, wanted, missing, threads)

    def _sources(self) -> list[Dataset]:
        return [self]

    def _places(self, positions: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        return np.zeros_like(positions), positions


def _reopen(
    paths: list[str],
    identities: list[Identity],
    options: _Options,
    reader: ImageReader,
    view: Any,
) -> Dataset:
    files = _open_files(paths, options, expected=identities)
    return Dataset(files, options, reader, unpack_view(view))


def _open_files(
    paths: list[str],
    options: _Options,
    *,
    expected: list[Identity] | None = None,
    read_sidecar: bool = True,
    write_sidecar: bool = True,
) -> _core.Files:
    threads, _ = choose_threads(options.threads)
    files = _core.Files(
        paths,
        access=options.access,
        recover=options.recover,
        threads=threads,
        expected=expected,
        read_sidecar=read_sidecar,
        write_sidecar=write_sidecar,
    )
    for info in files.index_info:
        if info["warning"]:
            warnings.warn(info["warning"], RuntimeWarning, stacklevel=4)
    return files


def _probe(files: _core.Files) -> list[str]:
    """Some image paths of the first samples."""
    paths: list[str] = []
    for position in range(min(PROBED_SAMPLES, len(files))):
        try:
            of_sample = files.record(position)[0].images
        except TextbookError:
            continue  # it raises when the sample is touched
        paths.extend(path for path in of_sample or () if path is not None)
    return paths[:PROBED_IMAGES]


def _check_choice(name: str, value: str, choices: tuple[str, ...]) -> None:
    if value not in choices:
        good = ", ".join(repr(choice) for choice in choices)
        raise ValueError(f"{name} must be one of {good}, not {value!r}")


def _as_paths(path: PathLike | Sequence[PathLike]) -> list[str]:
    given = [path] if isinstance(path, str | os.PathLike) else list(path)
    paths = [os.fspath(item) for item in given]
    if not all(isinstance(item, str) for item in paths):
        raise TypeError("a path is a str or an os.PathLike of one, not bytes")
    return paths


def _expand(path: PathLike | Sequence[PathLike]) -> list[str]:
    """The absolute paths that are meant; globs are expanded, in sorted order."""
    paths: list[str] = []
    for item in _as_paths(path):
        if glob.has_magic(item) and not os.path.lexists(item):
            found = sorted(glob.glob(item, recursive=True))
            if not found:
                raise SourceNotFoundError(f"no file matches {item!r}", path=item)
            paths.extend(found)
        else:
            paths.append(item)
    if not paths:
        raise ValueError("an empty list of paths was given, at least one is needed")
    return [os.path.abspath(item) for item in paths]
