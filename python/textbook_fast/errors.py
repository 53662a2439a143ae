"""What can go wrong, as exceptions: each says what, where, why and what to do.

All inherit `TextbookError` and the builtin that fits, so both
``except textbook_fast.TextbookError`` and ``except FileNotFoundError`` work.
Their context is kept as attributes, and survives pickling (errors cross the
borders of worker processes).
"""

from __future__ import annotations

from typing import Any, Self

__all__ = [
    "DamagedJpegWarning",
    "FormatError",
    "ImageError",
    "ImageNotFoundError",
    "IndexMissingError",
    "JpegError",
    "RecordError",
    "SampleIndexError",
    "SourceChangedError",
    "SourceError",
    "SourceNotFoundError",
    "SourcePermissionError",
    "StateError",
    "TextbookError",
    "TruncatedError",
    "VideoNotFoundError",
]


class TextbookError(Exception):
    """The base of everything that textbook_fast raises on its own account.

    Keyword arguments become attributes; subclasses say which they have.
    """

    def __init__(self, message: str, **context: object) -> None:
        super().__init__(message)
        self.message = message
        self._context = context
        for name, value in context.items():
            setattr(self, name, value)

    def __str__(self) -> str:
        return self.message

    def __reduce__(self) -> tuple[Any, ...]:
        return _rebuild, (type(self), self.message, self._context)


def _rebuild(kind: type[TextbookError], message: str, context: dict[str, Any]) -> TextbookError:
    return kind(message, **context)


class SourceError(TextbookError, OSError):
    """A file could not be opened or read.

    Attributes:
        path: The file or folder.
        errno: The system's number for the reason, or None.
    """

    path: str


class SourceNotFoundError(SourceError, FileNotFoundError):
    """There is no such file or folder."""


class SourcePermissionError(SourceError, PermissionError):
    """The file exists, but this user may not read it."""


class SourceChangedError(TextbookError, RuntimeError):
    """A file is no longer the one that was opened: it was overwritten, cut or replaced.

    Attributes:
        path: The file.
    """

    path: str


class IndexMissingError(TextbookError, FileNotFoundError):
    """An archive of images, or a compressed JSON file, is too large to be indexed unasked.
    It says which command does it.

    Attributes:
        path: The archive, or its first part; the JSON file.
        command: The command to run.
    """

    path: str
    command: str


class FormatError(TextbookError, ValueError):
    """A file as a whole is not what it has to be.

    Attributes:
        path: The file.
        offset: Byte offset of the trouble in the file.
    """

    path: str
    offset: int


class TruncatedError(FormatError):
    """A file ends in the middle of its array. ``open(..., recover=True)`` opens what is whole.

    Attributes:
        path: The file.
        offset: Its length in bytes.
        records: How many whole samples it holds.
        end_of_last: The byte after the last whole one.
    """

    records: int
    end_of_last: int


class RecordError(TextbookError, ValueError):
    """One sample's JSON is not valid, or not of the expected shape. Others are not affected.

    Attributes:
        reason: What is wrong and what was expected.
        offset: Byte offset of the trouble in the record.
        sample: The sample's index in what was opened, or None.
        path: The file, or None.
        position: The sample's position in that file, or None.
    """

    reason: str
    offset: int
    sample: int | None
    path: str | None
    position: int | None

    def __init__(
        self,
        message: str,
        *,
        reason: str | None = None,
        offset: int = 0,
        sample: int | None = None,
        path: str | None = None,
        position: int | None = None,
    ) -> None:
        super().__init__(
            message,
            reason=message if reason is None else reason,
            offset=offset,
            sample=sample,
            path=path,
            position=position,
        )

    def at(self, sample: int, source: tuple[str, int]) -> Self:
        """The same error, with the place of its sample."""
        path, position = source
        return type(self)(
            f"sample {sample} ({path}, record {position}): {self.message}",
            reason=self.reason,
            offset=self.offset,
            sample=sample,
            path=path,
            position=position,
        )


class SampleIndexError(TextbookError, IndexError):
    """There is no sample with this index."""


class StateError(TextbookError, ValueError):
    """A state does not fit the Loader that it is given to.

    Attributes:
        differences: The names of what differs.
    """

    differences: tuple[str, ...]


class VideoNotFoundError(TextbookError, KeyError):
    """There is no record of the video with this id.

    Attributes:
        vid: The id.
    """

    vid: str


class JpegError(TextbookError, ValueError):
    """Bytes that are no JPEG, or a broken or unsupported one.

    Attributes:
        kind: A short stable name of what is wrong, as ``"truncated"``.
        offset: Byte offset of the trouble in the data, or None.
        index: Which of several images it is, or None.

    It is falsy, so that it can be told from an array where it stands in its place.
    """

    kind: str
    offset: int | None
    index: int | None

    def __bool__(self) -> bool:
        return False


class DamagedJpegWarning(UserWarning):
    """An image was made of a JPEG that is cut or broken; what is missing was filled.

    ``warnings.simplefilter("error", textbook_fast.DamagedJpegWarning)`` makes it an
    exception, ``"ignore"`` hides it.

    Attributes:
        kind: A short stable name of what is wrong, as of `JpegError`.
        offset: Byte offset of the trouble in the data, or None.
        index: Which of several images it is, or None.
    """

    def __init__(
        self,
        message: str,
        *,
        kind: str = "corrupt",
        offset: int | None = None,
        index: int | None = None,
    ) -> None:
        super().__init__(message)
        self.kind = kind
        self.offset = offset
        self.index = index


class ImageError(TextbookError, ValueError):
    """One image of a sample could not be found, read or decoded.

    With ``on_error="mark"`` it stands at the image's position in ``sample.images``.
    It is falsy, so that ``[image for image in images if image is not None and ...]``
    can tell it from an array, and it is never None, which means text.

    Attributes:
        image: The image's path as it stands in the JSON.
        reason: What is wrong.
        kind: A short stable name of it, as ``"missing"`` or ``"truncated"``.
        sample: The sample's index in what was opened, or None.
        position: The image's position in the sample's lists, or None.
    """

    image: str
    reason: str
    kind: str
    sample: int | None
    position: int | None

    def __init__(
        self,
        message: str,
        *,
        image: str = "",
        reason: str | None = None,
        kind: str = "unreadable",
        sample: int | None = None,
        position: int | None = None,
    ) -> None:
        super().__init__(
            message,
            image=image,
            reason=message if reason is None else reason,
            kind=kind,
            sample=sample,
            position=position,
        )

    def __bool__(self) -> bool:
        return False

    def at(self, sample: int, position: int) -> Self:
        """The same error, with the place of its image."""
        placed = type(self)(
            f"sample {sample}, image {position} ({self.image!r}): {self.reason}",
            image=self.image,
            reason=self.reason,
            kind=self.kind,
            sample=sample,
            position=position,
        )
        placed.__cause__ = self.__cause__
        return placed


class ImageNotFoundError(ImageError, FileNotFoundError):
    """An image is in none of the folders."""
