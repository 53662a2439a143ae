"""The compiled module: conversion and error mapping. Not a public interface."""

from collections.abc import Sequence
from typing import Any, final

import numpy as np
from numpy.typing import NDArray

from textbook_fast.check import CheckedChunks
from textbook_fast.errors import ImageError, JpegError
from textbook_fast.index_info import ArchiveInfo, Identity, IndexInfo
from textbook_fast.jpeg import BytesLike, ColorSpace, Image

__all__ = [
    "MAX_THREADS",
    "ArchiveMembers",
    "Batch",
    "Checker",
    "Feed",
    "Files",
    "ImageStore",
    "PackWriter",
    "PartRemoval",
    "Record",
    "Search",
    "TarReader",
    "TextPieces",
    "Transform",
    "__version__",
    "after_fork_in_child",
    "after_fork_in_parent",
    "audit_tar",
    "audit_tar_gz",
    "available_threads",
    "before_fork",
    "check_column",
    "compare_images",
    "count_samples",
    "decode_jpeg",
    "decode_jpegs",
    "free_kept",
    "group_archives",
    "image_root_of",
    "index_archive",
    "interleave_clips",
    "kept_bytes",
    "list_tar",
    "load_images",
    "make_thumbnail",
    "measure_images",
    "parse_keyframe_name",
    "permute",
    "read_columns",
    "read_images",
    "read_jpeg_header",
    "rewrite_paths",
    "samples_of_videos",
    "simd_level",
    "simple_fields",
    "ssim",
    "sync_filesystem",
    "take_memory",
]

__version__: str
MAX_THREADS: int

@final
class Feed:
    def __new__(
        cls,
        sources: Sequence[tuple[Files, ImageStore | None, Transform | None, str]],
        *,
        threads: int,
        io_threads: int,
        prefetch_bytes: int,
        read_delay: float = 0.0,
    ) -> Feed: ...
    def push(self, sources: NDArray[np.int64], positions: NDArray[np.int64]) -> None: ...
    def next(self) -> tuple[int, int, int, int, Any, list[Any] | None] | None: ...
    def close(self) -> None: ...
    def totals(self) -> dict[str, Any]: ...

@final
class Files:
    def __new__(
        cls,
        paths: Sequence[str],
        *,
        access: str,
        recover: bool,
        threads: int,
        expected: Sequence[Identity] | None = None,
        read_sidecar: bool = True,
        write_sidecar: bool = True,
        allows_long_pass: bool = False,
        save_every: float = 2.0,
        progress: bool = True,
    ) -> Files: ...
    def __len__(self) -> int: ...
    @property
    def paths(self) -> list[str]: ...
    @property
    def identities(self) -> list[Identity]: ...
    @property
    def index_info(self) -> list[IndexInfo]: ...
    def fingerprints(self) -> list[tuple[int, int, int]]: ...
    def locate(self, position: int) -> tuple[int, int]: ...
    def record(self, position: int) -> tuple[Record, int, int]: ...

@final
class TextPieces:
    def __new__(cls, path: str) -> TextPieces: ...
    def __iter__(self) -> TextPieces: ...
    def __next__(self) -> bytes: ...
    @property
    def name(self) -> str: ...
    @property
    def length(self) -> int | None: ...
    @property
    def progress(self) -> tuple[int, int]: ...

@final
class Checker:
    def __new__(
        cls, files: Files, store: ImageStore | None, *, depth: str, threads: int
    ) -> Checker: ...
    def next(self) -> CheckedChunks | None: ...

@final
class ArchiveMembers:
    def __new__(
        cls, store: ImageStore, first: str, bytes: int, wanted: set[bytes] | None
    ) -> ArchiveMembers: ...

@final
class PackWriter:
    @staticmethod
    def open(out: str, plan: int, stride: int) -> PackWriter | None: ...
    @property
    def resumed(self) -> int: ...
    @property
    def length(self) -> int: ...
    def wants(self, name: bytes) -> bool: ...
    def add(self, name: bytes, data: bytes) -> None: ...
    def add_next(self, members: ArchiveMembers, threads: int) -> tuple[int, list[str]] | None: ...
    def close(self) -> None: ...
    def finish(self) -> str: ...

@final
class PartRemoval:
    @staticmethod
    def begin(out: str, parts: Sequence[str], index: str | None) -> PartRemoval: ...
    @staticmethod
    def resume(out: str) -> PartRemoval | None: ...
    @staticmethod
    def clear_finished(out: str) -> bool: ...
    @property
    def all_parts(self) -> list[str]: ...
    @property
    def parts(self) -> list[str]: ...
    @property
    def bytes(self) -> int: ...
    def bytes_needed(self, stride: int) -> int: ...
    def run(self, threads: int, stride: int, progress: bool) -> dict[str, Any]: ...

@final
class TarReader:
    def __new__(cls, path: str) -> TarReader: ...
    def next(self) -> tuple[bytes, str, int, int] | None: ...
    def read(self, data: int, size: int) -> bytes: ...

@final
class Record:
    def __new__(cls, raw: bytes) -> Record: ...
    @property
    def raw(self) -> bytes: ...
    def has(self, name: str) -> bool: ...
    @property
    def unchecked(self) -> bytes: ...
    @property
    def images(self) -> list[str | None] | None: ...
    @property
    def texts(self) -> list[str | None] | None: ...
    @property
    def text_ocr_list(self) -> list[str | None] | None: ...
    @property
    def metadata(self) -> Any: ...
    @property
    def image_num(self) -> int | None: ...
    @property
    def text_num(self) -> int | None: ...
    @property
    def token_num(self) -> int | None: ...
    def to_dict(self) -> dict[str, Any]: ...

@final
class Search:
    def __new__(
        cls,
        files: Files,
        pattern: str,
        *,
        view: NDArray[np.int64] | None,
        field: str,
        regex: bool,
        ignore_case: bool,
        threads: int,
        progress: bool,
    ) -> Search: ...
    def __iter__(self) -> Search: ...
    def __next__(self) -> tuple[int, int, str, int, int]: ...
    @property
    def bytes(self) -> tuple[int, int]: ...

@final
class ImageStore:
    def __new__(
        cls,
        roots: Sequence[str],
        *,
        expected: Sequence[tuple[str, Identity]] | None = None,
        progress: bool = True,
    ) -> ImageStore: ...
    @staticmethod
    def of_folders(roots: Sequence[str]) -> ImageStore: ...
    @property
    def archives(self) -> list[tuple[str, Identity]]: ...
    @property
    def archive_infos(self) -> list[ArchiveInfo]: ...
    @property
    def damages(self) -> list[str]: ...
    @property
    def places(self) -> list[str]: ...
    @property
    def roots(self) -> list[str]: ...
    def has(self, path: str) -> bool: ...
    def read(self, path: str) -> bytes: ...

@final
class Batch:
    def __new__(
        cls, store: ImageStore, paths: Sequence[str], transform: Transform, threads: int
    ) -> Batch: ...
    @property
    def sizes(self) -> list[tuple[int, int] | ImageError]: ...
    def fill(
        self, out: NDArray[np.uint8], starts: Sequence[int | None], threads: int, truncated: str
    ) -> list[ImageError | tuple[ImageError] | None]: ...

@final
class Transform:
    def __new__(
        cls,
        *,
        squared: bool,
        resize: tuple[str, Sequence[int]],
        frame: tuple[str, Sequence[int]],
        filter: str,
        color: Sequence[int],
        layout: tuple[str, Sequence[int]],
        normalization: tuple[str, bytes, float, Sequence[float], Sequence[float]] | None,
        oriented: bool,
        reducing_gap: float | None,
    ) -> Transform: ...
    def output_size(self, height: int, width: int) -> tuple[int, int]: ...
    def apply(self, array: Image) -> Any: ...
    def decode(self, data: BytesLike, truncated: str) -> tuple[Any, JpegError | None]: ...
    @property
    def is_calculated(self) -> bool | None: ...

def after_fork_in_child() -> None: ...
def after_fork_in_parent() -> None: ...
def audit_tar(path: str) -> list[tuple[str, int, str]]: ...
def audit_tar_gz(store: ImageStore, first: str) -> list[tuple[str, str, int, str]]: ...
def available_threads() -> int: ...
def before_fork() -> None: ...
def check_column(files: Files, kind: str, name: str, position: int) -> None: ...
def decode_jpeg(
    data: BytesLike,
    color: str,
    scale: int,
    rows: tuple[int, int] | None,
    truncated: str,
    out: Image | None = None,
) -> tuple[Image, JpegError | None]: ...
def decode_jpegs(
    data: list[BytesLike], color: str, scale: int, truncated: str, threads: int
) -> list[tuple[Image | None, JpegError | None]]: ...
def compare_images(
    store: ImageStore, samples: Sequence[Sequence[str]], threads: int
) -> list[float | ImageError]: ...
def count_samples(
    views: Sequence[tuple[Files, NDArray[np.int64] | None]], threads: int
) -> dict[str, Any]: ...
def group_archives(paths: Sequence[str]) -> tuple[list[list[str]], list[str]]: ...
def index_archive(
    parts: Sequence[str],
    *,
    index: str | None,
    rebuild: bool,
    threads: int,
    sums: dict[str, bytes] | None = None,
    save_every: float = 2.0,
    progress: bool = True,
) -> ArchiveInfo: ...
def image_root_of(path: str) -> str | None: ...
def list_tar(
    path: str,
) -> tuple[list[tuple[bytes, str, bytes, int, int, int]], str | None]: ...
def interleave_clips(record: Record, *, ocr: bool, separator: str | None) -> Record | None: ...
def load_images(
    store: ImageStore,
    paths: Sequence[str | None],
    threads: int,
    transform: Transform | None = None,
    truncated: str = "raise",
) -> list[Any]: ...
def make_thumbnail(data: bytes, width: int, height: int) -> bytes: ...
def measure_images(
    store: ImageStore, paths: Sequence[str], threads: int
) -> list[tuple[int, int, int] | ImageError]: ...
def parse_keyframe_name(path: str) -> tuple[str, float, float, int] | None: ...
def permute(
    shuffle: str, seed: int, epoch: int, length: int, start: int, stop: int
) -> NDArray[np.int64]: ...
def read_columns(
    files: Files, kind: str, name: str, threads: int
) -> list[tuple[Any, NDArray[np.uint64], NDArray[np.uint64]]]: ...
def read_images(
    store: ImageStore, paths: Sequence[str], threads: int
) -> list[bytes | ImageError]: ...
def read_jpeg_header(
    data: BytesLike,
) -> tuple[
    int, int, ColorSpace, tuple[tuple[int, int], ...], bool, int, int | None, bytes | None
]: ...
def rewrite_paths(
    files: Files,
    out: str,
    *,
    old_prefix: str | None,
    new_root: str,
    check: str,
    threads: int,
) -> tuple[int, int, int, list[tuple[int, str]]]: ...
def samples_of_videos(
    files: Files,
    view: NDArray[np.int64] | None,
    wanted: Sequence[str],
    share: str,
    threads: int,
) -> NDArray[np.int64]: ...
def free_kept() -> None: ...
def kept_bytes() -> int: ...
def simd_level() -> str: ...
def sync_filesystem(path: str) -> None: ...
def take_memory(length: int) -> NDArray[np.uint8]: ...
def simple_fields(
    files: Files, names: Sequence[str], threads: int
) -> list[list[str | float | bool | None]]: ...
def ssim(a: NDArray[np.uint8], b: NDArray[np.uint8]) -> float: ...
