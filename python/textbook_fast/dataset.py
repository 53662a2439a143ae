"""The dataset: opens files, and gives samples by their index."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Literal, SupportsIndex, TypeAlias

import numpy as np
from numpy.typing import NDArray

from textbook_fast import _core
from textbook_fast.clips import ClipSample
from textbook_fast.columns import read_column
from textbook_fast.errors import TextbookError
from textbook_fast.files import PathLike, expand, open_files
from textbook_fast.images import ImageReader
from textbook_fast.index_info import ArchiveInfo, Identity, IndexInfo
from textbook_fast.jpeg import OnError, Truncated, check_on_error, check_truncated
from textbook_fast.sample import Sample, decode_together
from textbook_fast.threads import check_threads, choose_threads, in_data_loader_worker
from textbook_fast.transforms import Transform
from textbook_fast.videos import Match, Video, VideoFilter, Videos, VideoSource
from textbook_fast.views import Samples, Share, View, pack_view, unpack_view

__all__ = ["Access", "Dataset", "Decode", "PathLike", "open"]

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


def open(  # noqa: A001, PLR0913
    path: PathLike | Sequence[PathLike],
    *,
    images: PathLike | Sequence[PathLike] | None = None,
    videos: Videos | PathLike | Sequence[PathLike] | None = None,
    transform: Transform | None = None,
    decode: Decode = "auto",
    access: Access = "map",
    on_error: OnError = "raise",
    truncated: Truncated = "raise",
    recover: bool = False,
    threads: int | None = None,
) -> Dataset:
    """Opens interleaved JSON, a JSON array or JSON Lines, as a `Dataset`.

    The corpus's original form (``multimodal_textbook_meta_data.json``) is recognized by
    its first record; its samples are `ClipSample`.

    The first time, one pass over the file finds where each sample lies; that offset
    index is kept beside the file (``<name>.tfidx``), in the user's cache folder
    where that is not writable, or in memory with a warning. Nothing is parsed.

    A ``.json.gz`` or ``.jsonl.gz``, and a ``.zip`` with one JSON file in it, are opened as
    they are: the pass inflates the text once and verifies its checksum, and from then on a
    sample is inflated from the last checkpoint before it. Above 1 GB only
    ``textbook-fast index`` makes that pass.

    Args:
        path: A file, several, or a glob. Several are one dataset, in order. Compressed ones
            are told by their content.
        images: The folder of the images, a tar file of them (plain, gzipped, or the
            first of its parts), a folder of such files, a glob, or several of these;
            None to find it beside the JSON when the first image is needed. An image is
            taken from the first that has it. No archive is unpacked: the headers of a
            plain tar are walked through once; a gzipped one is inflated once, for an
            index that is kept beside it. Above 1 GB only ``textbook-fast index`` does
            that; an index in another place is given beside the archive.
        videos: The video records for `Sample.videos` and `Dataset.filter_videos`:
            files as of `open_videos`, or what that gave; None to find
            ``video_meta_data*.json`` beside the JSON when they are needed.
        transform: What becomes of each image: an `ImageTransform`, which works on the rows
            as they are decoded, or any function of the decoded array. None for the array.
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
        truncated: ``"fill"`` makes an image of what can be read of a JPEG that is cut or
            broken, as libjpeg-turbo and Pillow with LOAD_TRUNCATED_IMAGES do: what is
            missing is gray, or less sharp. The first such image warns;
            `Sample.damages`, `Keyframe.damage`, `ImageBatch.damages` and `Loader.stats`
            tell all. ``"raise"``: such an image cannot be had.
        recover: Open what is whole of a file that is cut in the middle.
        threads: How many threads index and decode. None: ``TEXTBOOK_FAST_THREADS``,
            else 1 in a worker of a PyTorch DataLoader, else what affinity and
            cgroup quota allow, divided by ``LOCAL_WORLD_SIZE``.

    Raises:
        SourceNotFoundError: A file, a folder or an archive of images is not there.
        SourcePermissionError: It may not be read.
        IndexMissingError: A gzipped archive or a compressed JSON file of more than 1 GB has
            no index yet.
        FormatError: A file is no JSON array of objects, or a compressed one is damaged. The
            message says where.
        TruncatedError: A file ends in the middle of its array.
        ValueError: An argument is none of its choices.

    >>> ds = open("example_data/textbook_sample_100.json")
    >>> len(ds)
    100
    """
    _check_choice("decode", decode, ("auto", "lazy", "eager", "never"))
    _check_choice("access", access, ("map", "read"))
    options = _Options(decode, access, bool(recover), check_threads(threads))
    if transform is not None and not callable(transform):
        raise TypeError(
            f"transform must be an ImageTransform or a function of an array, not {transform!r}"
        )
    files = _open_files(expand(path), options)
    return _with_images(files, options, images, on_error, videos, transform, truncated)


def open_unkept(
    path: PathLike | Sequence[PathLike],
    *,
    images: Sequence[PathLike] | None = None,
    threads: int | None = None,
) -> Dataset:
    """As `open`, with the index built anew, in memory alone. For measuring."""
    options = _Options("lazy", "map", recover=False, threads=check_threads(threads))
    files = _open_files(
        expand(path), options, read_sidecar=False, write_sidecar=False, allows_long_pass=True
    )
    return _with_images(files, options, images, "mark")


def build_index(
    path: PathLike | Sequence[PathLike], *, rebuild: bool = False, threads: int | None = None
) -> list[IndexInfo]:
    """Builds the offset index of each file, unless there is one that fits.

    Raises:
        TextbookError: As of `open`.
    """
    options = _Options("never", "map", recover=False, threads=check_threads(threads))
    files = _open_files(expand(path), options, read_sidecar=not rebuild, allows_long_pass=True)
    return files.index_info


def _with_images(
    files: _core.Files,
    options: _Options,
    images: PathLike | Sequence[PathLike] | None,
    on_error: OnError,
    videos: Videos | PathLike | Sequence[PathLike] | None = None,
    transform: Transform | None = None,
    truncated: Truncated = "raise",
) -> Dataset:
    decode, paths = options.decode, files.paths
    roots = None if images is None else expand(images)
    reader = ImageReader(
        roots,
        beside=paths,
        probe=[] if roots is not None or decode == "never" else _probe(files),
        decodes=decode != "never",
        on_error=check_on_error(on_error),
        threads=options.threads,
        transform=transform,
        truncated=check_truncated(truncated),
    )
    source = VideoSource(videos, beside=paths, threads=options.threads)
    return Dataset(files, options, reader, range(len(files)), source)


class Dataset(Samples):
    """Samples by their index. Made by `open`.

    Map-style: ``len(ds)``, ``ds[i]``, ``ds[a:b]``, and ``__getitems__`` for the batches
    of PyTorch's DataLoader. Slices and `select` are views: they share the files,
    copy no data, and their samples keep the `Sample.index` of what was opened.

    It may be used from several threads, forked, and pickled (to spawned workers):
    a copy opens the same files again, and refuses them where they have changed.
    """

    __slots__ = ("_files", "_options", "_paths", "_reader", "_sample_type", "_videos")

    def __init__(
        self,
        files: _core.Files,
        options: _Options,
        reader: ImageReader,
        view: View,
        videos: VideoSource,
    ) -> None:
        super().__init__(view)
        self._files = files
        self._sample_type = _sample_type(files)
        self._videos = videos
        self._paths = files.paths
        self._options = options
        self._reader = reader

    def __reduce__(self) -> tuple[Any, ...]:
        files = self._files
        view = pack_view(self._view)
        state = (self._options, self._reader, view, self._videos)
        return _reopen, (self._paths, files.identities, *state)

    def _repr_html_(self) -> str:
        """For notebooks: what it is, and its first samples."""
        from textbook_fast.viewer.notebook import dataset_html

        return dataset_html(self)

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

    # --- videos and files

    @property
    def videos(self) -> Videos:
        """The video records, of ``open(..., videos=...)`` or found beside the JSON.

        Raises:
            SourceNotFoundError: None were given and none were found.
        """
        return self._videos.open()

    def filter_videos(
        self,
        *,
        language: str | Collection[str] | None = None,
        keyword: str | None = None,
        min_deepseek_score: float | None = None,
        min_llama_score: float | None = None,
        min_long_context_score: float | None = None,
        min_duration: float | None = None,
        max_duration: float | None = None,
        where: Callable[[Video], bool] | None = None,
        match: Match = "all",
    ) -> Dataset:
        """A view of the samples whose videos meet all that is given.

        Args:
            language: As of `VideoFilter`, as are the next seven.
            keyword: A part of the search keyword or the title, whatever its case.
            min_deepseek_score: Least score.
            min_llama_score: Least score.
            min_long_context_score: Least score.
            min_duration: Least length of the video in seconds.
            max_duration: Greatest length of the video in seconds.
            where: A function of a `Video`.
            match: ``"all"``: a sample shows wanted videos alone, and one at least;
                ``"any"``: it shows one or more. A video without a record is not wanted.

        Raises:
            SourceNotFoundError: There are no video records.
            RecordError: A sample is broken.
            ValueError: `match` is none of its choices.
        """
        wanted = VideoFilter(
            language=language,
            keyword=keyword,
            min_deepseek_score=min_deepseek_score,
            min_llama_score=min_llama_score,
            min_long_context_score=min_long_context_score,
            min_duration=min_duration,
            max_duration=max_duration,
            where=where,
        )
        return self.of_videos(self.videos.matching(wanted), match=match)

    def of_videos(self, vids: Iterable[str], *, match: Match = "any") -> Dataset:
        """A view of the samples that show the videos with these ids: ``match="any"`` of
        them, or ``"all"``: no others.

        Raises:
            RecordError: A sample is broken.
            ValueError: `match` is none of its choices.
        """
        _check_choice("match", match, ("all", "any"))
        threads, _ = choose_threads(self._options.threads)
        wanted = [vids] if isinstance(vids, str) else list(vids)
        view = self._positions_if_some()
        return self.select(_core.samples_of_videos(self._files, view, wanted, match, threads))

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
    def archive_info(self) -> list[ArchiveInfo]:
        """What is known of the compressed archives among the images, and of their indexes.

        Raises:
            SourceNotFoundError: No images were given and none were found.
        """
        return self._reader.store.archive_infos

    @property
    def index_info(self) -> list[IndexInfo]:
        """How each file's offset index came to be."""
        return self._files.index_info

    # --- inside

    def _viewed(self, view: View) -> Dataset:
        return Dataset(self._files, self._options, self._reader, view, self._videos)

    def _positions_if_some(self) -> NDArray[np.int64] | None:
        """The view's positions; None for all."""
        is_whole = isinstance(self._view, range) and self._view == range(len(self._files))
        return None if is_whole else self._positions()

    def _sample(self, position: int) -> Sample:
        record, number, place = self._files.record(position)
        return self._make_sample(record, position, (self._paths[number], place))

    def _make_sample(self, record: _core.Record, index: int, source: tuple[str, int]) -> Sample:
        return self._sample_type(record, index, source, self._reader, self._videos)

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

    def _by_source(self) -> list[Share]:
        return [Share(self, self._positions_if_some(), None)]

    def _places(self, positions: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        return np.zeros_like(positions), positions


def _reopen(
    paths: list[str],
    identities: list[Identity],
    options: _Options,
    reader: ImageReader,
    view: Any,
    videos: VideoSource,
) -> Dataset:
    files = _open_files(paths, options, expected=identities)
    return Dataset(files, options, reader, unpack_view(view), videos)


def _open_files(
    paths: list[str],
    options: _Options,
    *,
    expected: list[Identity] | None = None,
    read_sidecar: bool = True,
    write_sidecar: bool = True,
    allows_long_pass: bool = False,
) -> _core.Files:
    return open_files(
        paths,
        access=options.access,
        recover=options.recover,
        threads=options.threads,
        expected=expected,
        read_sidecar=read_sidecar,
        write_sidecar=write_sidecar,
        allows_long_pass=allows_long_pass,
    )


def _sample_type(files: _core.Files) -> type[Sample]:
    """What the records are, judged by the first one."""
    try:
        of_clips = len(files) > 0 and files.record(0)[0].has("conversations")
    except TextbookError:
        of_clips = False  # it raises when the sample is touched
    return ClipSample if of_clips else Sample


def _probe(files: _core.Files) -> list[str]:
    """Some image paths of the first samples."""
    paths: list[str] = []
    for position in range(min(PROBED_SAMPLES, len(files))):
        try:
            record = files.record(position)[0]
            record = _core.interleave_clips(record, ocr=False, separator=None) or record
            of_sample = record.images
        except TextbookError:
            continue  # it raises when the sample is touched
        paths.extend(path for path in of_sample or () if path is not None)
    return paths[:PROBED_IMAGES]


def _check_choice(name: str, value: str, choices: tuple[str, ...]) -> None:
    if value not in choices:
        good = ", ".join(repr(choice) for choice in choices)
        raise ValueError(f"{name} must be one of {good}, not {value!r}")
