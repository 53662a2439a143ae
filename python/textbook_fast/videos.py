"""The records of the crawled videos: by the video's id, and which samples show them."""

from __future__ import annotations

import glob
import math
import operator
import os
import warnings
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Literal, SupportsIndex, TypeAlias, overload
from urllib.parse import quote

from textbook_fast import _core
from textbook_fast.errors import (
    RecordError,
    SampleIndexError,
    SourceNotFoundError,
    VideoNotFoundError,
)
from textbook_fast.files import PathLike, expand, open_files
from textbook_fast.threads import check_threads, choose_threads

__all__ = ["Match", "Video", "VideoFilter", "VideoSource", "Videos", "open_videos"]

Match: TypeAlias = Literal["all", "any"]

FILE_NAME, FILE_PATH = "file_name", "file_path"
LANGUAGE, KEYWORD, TITLE = "language", "search_keyword", "title"
DURATION = "video_duration"
DEEPSEEK, LLAMA, LONG_CONTEXT = "deepseek_score", "llama_score", "deepseek_score long context"
FIELDS = [FILE_NAME, FILE_PATH, LANGUAGE, KEYWORD, TITLE, DURATION, DEEPSEEK, LLAMA, LONG_CONTEXT]


class Video:
    """The record of one video. `to_dict` has its keys as they are written in the file.

    A field that is missing or null is None.

    Raises:
        RecordError: On access to a field whose value is of another type.
    """

    __slots__ = ("_record", "source")

    def __init__(self, record: dict[str, Any], source: tuple[str, int]) -> None:
        self._record = record
        self.source = source

    def __repr__(self) -> str:
        return f"<textbook_fast.Video {self.vid}: {self._record.get(TITLE)!r}>"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Video) and self._record == other._record

    __hash__ = None  # type: ignore[assignment]

    def _text(self, key: str) -> str | None:
        value = self._record.get(key)
        if value is None or isinstance(value, str):
            return value
        raise self._unexpected(key, "a string", value)

    def _number(self, key: str) -> float | None:
        value = self._record.get(key)
        if value is None or (isinstance(value, int | float) and not isinstance(value, bool)):
            return value
        raise self._unexpected(key, "a number", value)

    def _truth(self, key: str) -> bool | None:
        value = self._record.get(key)
        if value is None or isinstance(value, bool):
            return value
        raise self._unexpected(key, "true or false", value)

    def _unexpected(self, key: str, expected: str, value: object) -> RecordError:
        path, position = self.source
        return RecordError(
            f"video record {position} of {path}: '{key}' has to be {expected}, not {value!r}",
            path=path,
            position=position,
        )

    @property
    def vid(self) -> str | None:
        """The YouTube id: the file's name without its extension."""
        return vid_of(self._record.get(FILE_NAME), self._record.get(FILE_PATH))

    @property
    def url(self) -> str | None:
        """The video on YouTube."""
        vid = self.vid
        return None if vid is None else f"https://www.youtube.com/watch?v={quote(vid, safe='')}"

    @property
    def title(self) -> str | None:
        """The title."""
        return self._text(TITLE)

    @property
    def description(self) -> str | None:
        """What its authors say of it (``desc``)."""
        return self._text("desc")

    @property
    def language(self) -> str | None:
        """The language that was recognized, as ``"en"``."""
        return self._text(LANGUAGE)

    @property
    def search_keyword(self) -> str | None:
        """What was searched for when it was found."""
        return self._text(KEYWORD)

    @property
    def duration_seconds(self) -> float | None:
        """Its length in seconds (``video_duration``)."""
        return self._number(DURATION)

    @property
    def file_name(self) -> str | None:
        """``<vid>.mp4``."""
        return self._text(FILE_NAME)

    @property
    def file_path(self) -> str | None:
        """Where it lay for the authors."""
        return self._text(FILE_PATH)

    @property
    def file_size_mb(self) -> float | None:
        """Its size in MB (``file_size (MB)``)."""
        return self._number("file_size (MB)")

    @property
    def is_unique(self) -> bool | None:
        """Whether it was found once only (``unique``)."""
        return self._truth("unique")

    @property
    def asr_path(self) -> str | None:
        """Where the transcript lay for the authors."""
        return self._text("asr_path")

    @property
    def asr_len(self) -> float | None:
        """Length of the transcript."""
        return self._number("asr_len")

    @property
    def asr_is_repetitive(self) -> bool | None:
        """Whether the transcript repeats itself (``asr is repetive``)."""
        return self._truth("asr is repetive")

    @property
    def caption_path(self) -> str | None:
        """Where the captions lay for the authors."""
        return self._text("caption_path")

    @property
    def caption_len(self) -> float | None:
        """Length of the captions."""
        return self._number("caption_len")

    @property
    def llm_response(self) -> str | None:
        """What a language model said of its worth."""
        return self._text("llm_response")

    @property
    def deepseek_score(self) -> float | None:
        """The score that DeepSeek gave it."""
        return self._number(DEEPSEEK)

    @property
    def llama_score(self) -> float | None:
        """The score that Llama gave it."""
        return self._number(LLAMA)

    @property
    def deepseek_score_long_context(self) -> float | None:
        """The score that DeepSeek gave it by more of the transcript
        (``deepseek_score long context``).
        """
        return self._number(LONG_CONTEXT)

    def to_dict(self) -> dict[str, Any]:
        """The whole record, its keys as they are in the file, unknown ones included."""
        return dict(self._record)


def vid_of(file_name: object, file_path: object) -> str | None:
    """The id in the name of a video's file, or None where there is no name."""
    for name in (file_name, file_path):
        if isinstance(name, str):
            stem = name.rpartition("/")[2].rpartition(".")
            vid = stem[0] or stem[2]
            if vid:
                return vid
    return None


@dataclass(frozen=True, slots=True, kw_only=True)
class VideoFilter:
    """Which videos are wanted: those that meet all that is given here.

    Attributes:
        language: Their language, or one of several, as ``"en"``.
        keyword: A part of their search keyword or their title; case does not matter.
        min_deepseek_score: Their least `Video.deepseek_score`.
        min_llama_score: Their least `Video.llama_score`.
        min_long_context_score: Their least `Video.deepseek_score_long_context`.
        min_duration: Their least length in seconds.
        max_duration: Their greatest length in seconds.
        where: Anything else: a function of a `Video`, called for those that meet the rest.
    """

    language: str | Collection[str] | None = None
    keyword: str | None = None
    min_deepseek_score: float | None = None
    min_llama_score: float | None = None
    min_long_context_score: float | None = None
    min_duration: float | None = None
    max_duration: float | None = None
    where: Callable[[Video], bool] | None = None

    def accepts(self, row: dict[str, Any]) -> bool:
        """Whether a video with these simple fields is wanted, `where` aside."""
        if self.language is not None:
            wanted = [self.language] if isinstance(self.language, str) else self.language
            if row[LANGUAGE] not in wanted:
                return False
        if self.keyword is not None:
            texts = (row[KEYWORD], row[TITLE])
            keyword = self.keyword.casefold()
            if not any(isinstance(text, str) and keyword in text.casefold() for text in texts):
                return False
        least = (
            (DEEPSEEK, self.min_deepseek_score),
            (LLAMA, self.min_llama_score),
            (LONG_CONTEXT, self.min_long_context_score),
            (DURATION, self.min_duration),
        )
        enough = all(limit is None or _at_least(row[key], limit) for key, limit in least)
        return enough and (self.max_duration is None or _at_least(self.max_duration, row[DURATION]))


def _at_least(value: object, limit: object) -> bool:
    """Whether both are numbers, and the first is no less. A missing one is too little."""
    numbers = [it for it in (value, limit) if isinstance(it, int | float)]
    return len(numbers) == 2 and numbers[0] >= numbers[1]  # noqa: PLR2004


def open_videos(
    path: PathLike | Sequence[PathLike],
    *,
    access: Literal["map", "read"] = "map",
    threads: int | None = None,
) -> Videos:
    """Opens ``video_meta_data*.json``, files of video records, as `Videos`.

    Args:
        path: A file, several, or a glob. Several are one collection, in order.
        access: As of `textbook_fast.open`.
        threads: How many threads index and read; as of `textbook_fast.open`.

    Raises:
        SourceNotFoundError: A file is not there.
        FormatError: A file is no JSON array of objects. The message says where.

    >>> videos = open_videos("example_data/video_meta_data/*.json")
    >>> videos["-oOZdGD4yks"].title
    'The Pythagorean theorem | Mathematics for beginners'
    """
    if access not in {"map", "read"}:
        raise ValueError(f"access must be one of 'map', 'read', not {access!r}")
    return Videos(expand(path), access=access, threads=check_threads(threads))


class Videos(Sequence[Video]):
    """Records of videos: by position as a sequence, and by the video's id.

    ``videos["-oOZdGD4yks"]`` and ``"-oOZdGD4yks" in videos`` look an id up; the first
    time, one pass in all threads reads every record's id. Of two records of one id the
    first counts: see `duplicates`.
    """

    __slots__ = ("_access", "_files", "_paths", "_positions", "_rows", "_threads")

    def __init__(self, paths: Sequence[str], *, access: str, threads: int | None) -> None:
        self._paths = list(paths)
        self._access = access
        self._threads = threads
        self._files = open_files(self._paths, access=access, threads=threads)
        self._rows: list[list[Any]] | None = None
        self._positions: dict[str, int] = {}

    def __reduce__(self) -> tuple[Any, ...]:
        return _reopen, (self._paths, self._access, self._threads)

    def __repr__(self) -> str:
        more = f" and {len(self._paths) - 1} more files" if len(self._paths) > 1 else ""
        return f"<textbook_fast.Videos: {len(self):,} records of {self._paths[0]!r}{more}>"

    def __len__(self) -> int:
        return len(self._files)

    @overload
    def __getitem__(self, key: str | SupportsIndex) -> Video: ...
    @overload
    def __getitem__(self, key: slice) -> list[Video]: ...
    def __getitem__(self, key: str | SupportsIndex | slice) -> Video | list[Video]:
        """The video with this id, or at this position; a list for a slice.

        Raises:
            VideoNotFoundError: No record has this id. It is a `KeyError`.
            IndexError: There is no such position.
        """
        if isinstance(key, str):
            position = self._table()[0].get(key)
            if position is None:
                raise VideoNotFoundError(
                    f"none of the {len(self):,} video records is of the video {key!r}", vid=key
                )
            return self._at(position)
        if isinstance(key, slice):
            return [self._at(position) for position in range(len(self))[key]]
        position = operator.index(key)
        if not -len(self) <= position < len(self):
            raise SampleIndexError(f"there is no video record {position}: there are {len(self)}")
        return self._at(position % len(self))

    def __iter__(self) -> Iterator[Video]:
        return (self._at(position) for position in range(len(self)))

    def __contains__(self, vid: object) -> bool:
        """Whether there is a record of the video with this id."""
        return isinstance(vid, str) and vid in self._table()[0]

    def get(self, vid: str) -> Video | None:
        """The video with this id, or None."""
        position = self._table()[0].get(vid)
        return None if position is None else self._at(position)

    @property
    def paths(self) -> list[str]:
        """The files, in the order of their records."""
        return list(self._paths)

    @property
    def vids(self) -> list[str]:
        """The ids, in the order of their first records."""
        return list(self._table()[0])

    @property
    def duplicates(self) -> dict[str, list[int]]:
        """The ids that have several records, and the positions of those."""
        _, rows = self._table()
        places: dict[str, list[int]] = {}
        for position, (name, path) in enumerate(zip(rows[0], rows[1], strict=True)):
            vid = vid_of(name, path)
            if vid is not None:
                places.setdefault(vid, []).append(position)
        return {vid: positions for vid, positions in places.items() if len(positions) > 1}

    @property
    def without_vid(self) -> list[int]:
        """The positions of records that name no file, so that they have no id."""
        _, rows = self._table()
        names = enumerate(zip(rows[0], rows[1], strict=True))
        return [position for position, (name, path) in names if vid_of(name, path) is None]

    @property
    def languages(self) -> dict[str, int]:
        """The languages, and how many records are in each; the most frequent first."""
        counts: dict[str, int] = {}
        for language in self._table()[1][FIELDS.index(LANGUAGE)]:
            if isinstance(language, str):
                counts[language] = counts.get(language, 0) + 1
        return dict(sorted(counts.items(), key=lambda item: (-item[1], item[0])))

    def matching(self, wanted: VideoFilter) -> list[str]:
        """The ids of the videos that a filter accepts, in the order of their records."""
        positions, rows = self._table()
        vids = []
        for vid, position in positions.items():
            row = {key: column[position] for key, column in zip(FIELDS, rows, strict=True)}
            if wanted.accepts(row) and (wanted.where is None or wanted.where(self._at(position))):
                vids.append(vid)
        return vids

    def _at(self, position: int) -> Video:
        record, number, place = self._files.record(position)
        source = (self._paths[number], place)
        try:
            return Video(record.to_dict(), source)
        except RecordError as error:
            raise error.at(position, source) from None

    def _table(self) -> tuple[dict[str, int], list[list[Any]]]:
        """Each id's first position, and the columns of `FIELDS`."""
        if self._rows is None:
            threads, _ = choose_threads(self._threads)
            rows = _core.simple_fields(self._files, FIELDS, threads)
            positions: dict[str, int] = {}
            nameless = repeated = 0
            for position, (name, path) in enumerate(zip(rows[0], rows[1], strict=True)):
                vid = vid_of(name, path)
                if vid is None:
                    nameless += 1
                elif positions.setdefault(vid, position) != position:
                    repeated += 1
            self._positions, self._rows = positions, rows
            self._warn(nameless, repeated)
        return self._positions, self._rows

    def _warn(self, nameless: int, repeated: int) -> None:
        if nameless:
            warnings.warn(
                f"{nameless} video records of {self._paths} name no file, so they have no id "
                "and are found by their positions only: see Videos.without_vid",
                RuntimeWarning,
                stacklevel=4,
            )
        if repeated:
            warnings.warn(
                f"{repeated} video records of {self._paths} are of a video that has a record "
                "before them; the first counts: see Videos.duplicates",
                RuntimeWarning,
                stacklevel=4,
            )


def _reopen(paths: list[str], access: str, threads: int | None) -> Videos:
    return Videos(paths, access=access, threads=threads)


class VideoSource:
    """Where a dataset's video records are, opened when they are first asked for."""

    __slots__ = ("_beside", "_paths", "_threads", "_videos")

    def __init__(
        self,
        videos: Videos | PathLike | Sequence[PathLike] | None,
        *,
        beside: Sequence[str],
        threads: int | None,
    ) -> None:
        """Remembers the files: those given, or else those that lie beside `beside`."""
        self._videos = videos if isinstance(videos, Videos) else None
        self._paths = None if videos is None or isinstance(videos, Videos) else expand(videos)
        self._beside = tuple(beside)
        self._threads = threads

    def __getstate__(self) -> tuple[object, ...]:
        paths = self._videos.paths if self._videos is not None else self._paths
        return paths, self._beside, self._threads

    def __setstate__(self, state: tuple[Any, ...]) -> None:
        self._paths, self._beside, self._threads = state
        self._videos = None

    def open(self) -> Videos:
        """The records.

        Raises:
            SourceNotFoundError: None were given and none were found.
        """
        if self._videos is None:
            paths = self._paths if self._paths is not None else self._discover()
            self._videos = Videos(paths, access="map", threads=self._threads)
        return self._videos

    def _discover(self) -> list[str]:
        folders = list(dict.fromkeys(os.path.dirname(path) for path in self._beside))
        for folder in folders:
            root = glob.escape(folder)
            for pattern in ("video_meta_data*.json", "video_meta_data/*.json"):
                found: dict[str, str] = {}
                for ending in ("", ".gz", ".zip"):
                    for path in glob.glob(os.path.join(root, pattern + ending)):
                        found.setdefault(path.removesuffix(ending), path)
                if found:
                    return [found[name] for name in sorted(found)]
        raise SourceNotFoundError(
            f"no video_meta_data*.json was found beside the JSON (in {', '.join(folders)}): "
            "pass videos=PATH to open()",
            path=folders[0] if folders else "",
        )


def format_seconds(seconds: float) -> str:
    """A place in a video as people write it: ``1:02:03`` or ``2:03``."""
    whole = max(0, math.floor(seconds))
    hours, rest = divmod(whole, 3600)
    minutes, left = divmod(rest, 60)
    return f"{hours}:{minutes:02}:{left:02}" if hours else f"{minutes}:{left:02}"
