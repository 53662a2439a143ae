"""A compressed JSON file, written beside itself as it is for those who train."""

from __future__ import annotations

import contextlib
import os
import shutil
from collections.abc import Callable
from dataclasses import dataclass

from textbook_fast import _core
from textbook_fast.errors import FormatError, SourceError

__all__ = ["UnpackReport", "unpack"]


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
    the file is whole or not there. A call that was interrupted begins anew.

    Args:
        path: A ``.zip`` with one JSON file in it, or a ``.gz``.
        out: The JSON file; None for its own name, beside the archive. It must not exist.
        on_progress: Is called with how many bytes of the archive were read, and how many
            there are.

    Raises:
        FormatError: It is broken, cut, encrypted, or neither; or the zip holds no JSON file,
            or several. The message says where.
        SourceError: It cannot be read, or the JSON cannot be written.
    """
    archive = os.path.abspath(path)
    pieces = _core.TextPieces(archive)
    if out is None and pieces.name == archive:
        raise FormatError(
            f"{archive}: a gzip file whose name does not end in .gz: say what the JSON is called",
            path=archive,
            offset=0,
        )
    return _write(pieces, os.path.abspath(out or pieces.name), on_progress)


def _write(
    pieces: _core.TextPieces, target: str, on_progress: Callable[[int, int], object]
) -> UnpackReport:
    def failed(reason: str | None) -> SourceError:
        return SourceError(f"cannot write {target}: {reason}", path=target)

    if os.path.lexists(target):
        raise failed("it exists")
    try:
        room = shutil.disk_usage(os.path.dirname(target)).free
    except OSError as error:
        raise failed(error.strerror) from None
    if pieces.length is not None and pieces.length > room:
        raise failed(f"it needs {pieces.length:,} bytes, {room:,} are free")
    # Browsers and this library's packs have files named .part, which are not to be replaced.
    unfinished = f"{target}.unpacking"
    try:
        temporary = open(unfinished, "wb")  # noqa: SIM115
    except OSError as error:
        raise failed(error.strerror or str(error)) from None
    length = 0
    try:
        with temporary:
            for piece in pieces:
                try:
                    temporary.write(piece)
                except OSError as error:
                    raise failed(error.strerror) from None
                length += len(piece)
                on_progress(*pieces.progress)
            try:
                temporary.flush()
                os.fsync(temporary.fileno())
            except OSError as error:
                raise failed(error.strerror) from None
        os.rename(unfinished, target)
    except BaseException:
        with contextlib.suppress(OSError):
            os.unlink(unfinished)
        raise
    return UnpackReport(target, length)
