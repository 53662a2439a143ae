"""A compressed JSON file, written beside itself as it is for those who train."""

from __future__ import annotations

import contextlib
import gzip
import os
import shutil
import zipfile
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import IO, TypeAlias

from textbook_fast.errors import FormatError, SourceError, SourceNotFoundError

__all__ = ["UnpackReport", "unpack"]

PIECE = 1 << 20
ENDINGS = (".json", ".jsonl", ".ndjson")
Stream: TypeAlias = IO[bytes] | gzip.GzipFile


@dataclass(frozen=True, slots=True)
class UnpackReport:
    """What was written.

    Attributes:
        path: The JSON file.
        bytes: Its length.
    """

    path: str
    bytes: int


def unpack(
    path: str | os.PathLike[str],
    *,
    out: str | os.PathLike[str] | None = None,
    on_progress: Callable[[int, int], object] = lambda *_: None,
) -> UnpackReport:
    """Writes the JSON in a zip (stored or deflated) or gzip file as a file of its own.

    All of it is checked against the checksum in the archive before it gets its name, so
    the file is whole or not there.

    Args:
        path: A ``.zip`` with one JSON file in it, or a ``.gz``.
        out: The JSON file; None for its own name, beside the archive. It must not exist.
        on_progress: Is called with how many bytes of the archive were read, and how many
            there are.

    Raises:
        FormatError: It is broken, cut, encrypted, or neither; or the zip holds no JSON file,
            or several.
        SourceError: It cannot be read, or the JSON cannot be written.
    """
    archive = os.path.abspath(path)
    try:
        with open(archive, "rb") as file:
            magic = file.read(4)
            file.seek(0)
            total = os.fstat(file.fileno()).st_size
            tell = lambda: on_progress(file.tell(), total)  # noqa: E731
            if magic[:2] == b"\x1f\x8b":
                target = out or _without_ending(archive)
                with gzip.GzipFile(fileobj=file) as stream:
                    return _write(stream, archive, os.path.abspath(target), None, tell)
            if magic[:2] == b"PK":
                return _of_zip(file, archive, out, tell)
    except FileNotFoundError as error:
        raise SourceNotFoundError(
            f"cannot open {archive}: {error.strerror}", path=archive
        ) from None
    raise FormatError(f"{archive}: neither a zip nor a gzip file", path=archive, offset=0)


def _without_ending(archive: str) -> str:
    if archive.endswith(".gz"):
        return archive.removesuffix(".gz")
    raise FormatError(
        f"{archive}: a gzip file whose name does not end in .gz: say what the JSON is called",
        path=archive,
        offset=0,
    )


def _of_zip(
    file: IO[bytes], archive: str, out: str | os.PathLike[str] | None, tell: Callable[[], object]
) -> UnpackReport:
    with _told_of(archive), zipfile.ZipFile(file) as members:
        found = [
            member
            for member in members.infolist()
            if member.filename.lower().endswith(ENDINGS)
            and not member.filename.startswith("__MACOSX/")
        ]
        if len(found) != 1:
            listed = ", ".join(member.filename for member in found) or "none"
            raise FormatError(
                f"{archive}: one JSON file is expected in it, there are {len(found)} ({listed})",
                path=archive,
                offset=0,
            )
        name = os.path.basename(found[0].filename.replace("\\", "/"))
        target = out or os.path.join(os.path.dirname(archive), name)
        with members.open(found[0]) as stream:
            size = found[0].file_size
            return _write(stream, archive, os.path.abspath(target), size, tell)


def _write(
    stream: Stream, archive: str, target: str, size: int | None, tell: Callable[[], object]
) -> UnpackReport:
    def failed(reason: str | None) -> SourceError:
        return SourceError(f"cannot write {target}: {reason}", path=target)

    if os.path.lexists(target):
        raise failed("it exists")
    folder = os.path.dirname(target)
    try:
        room = shutil.disk_usage(folder).free
        if size is not None and size > room:
            raise failed(f"it needs {size:,} bytes, {room:,} are free")
        temporary = open(f"{target}.part", "wb")  # noqa: SIM115
    except OSError as error:
        raise failed(error.strerror or str(error)) from None
    length = 0
    try:
        with temporary:
            while piece := _read(stream, archive):
                try:
                    temporary.write(piece)
                except OSError as error:
                    raise failed(error.strerror) from None
                length += len(piece)
                tell()
            try:
                temporary.flush()
                os.fsync(temporary.fileno())
            except OSError as error:
                raise failed(error.strerror) from None
        os.rename(f"{target}.part", target)
    except BaseException:
        with contextlib.suppress(OSError):
            os.unlink(f"{target}.part")
        raise
    return UnpackReport(target, length)


def _read(stream: Stream, archive: str) -> bytes:
    with _told_of(archive):
        return stream.read(PIECE)


@contextlib.contextmanager
def _told_of(archive: str) -> Iterator[None]:
    """Gives errors of the archive their file."""
    try:
        yield
    except (zipfile.BadZipFile, zlib.error, EOFError, gzip.BadGzipFile) as error:
        raise FormatError(
            f"{archive}: broken or cut: {error}; fetch it again", path=archive, offset=0
        ) from None
    except (NotImplementedError, RuntimeError) as error:
        raise FormatError(f"{archive}: {error}", path=archive, offset=0) from None
