"""The name of a keyframe, taken apart."""

from __future__ import annotations

import math
from dataclasses import dataclass
from urllib.parse import quote

from textbook_fast import _core

__all__ = ["Keyframe"]


@dataclass(frozen=True, slots=True)
class Keyframe:
    """Where in which video a keyframe was taken.

    Attributes:
        name: The file's name as it stands in the JSON. Its numbers carry float
            noise, so never put a name together from the other attributes.
        vid: The YouTube id of the video.
        start_seconds: Where the clip begins in the video.
        end_seconds: Where the clip ends in the video.
        number: Which keyframe of the clip it is, from 1, with gaps.
        damage: Of a `Sample`'s keyframe whose image is decoded: what is broken of it, if it
            was filled with ``open(..., truncated="fill")``.
    """

    name: str
    vid: str
    start_seconds: float
    end_seconds: float
    number: int
    damage: str | None = None

    @classmethod
    def parse(cls, path: str) -> Keyframe | None:
        """The parts of a keyframe's path or name, or None where it is no keyframe's.

        >>> Keyframe.parse("-1uixJ1V-As/-1uixJ1V-As@0.0_10.0#1.jpg").vid
        '-1uixJ1V-As'
        """
        parts = _core.parse_keyframe_name(path)
        return None if parts is None else cls(path.rpartition("/")[2], *parts)

    @property
    def url(self) -> str:
        """The video on YouTube, at the second where the clip begins."""
        second = max(0, math.floor(self.start_seconds))
        return f"https://www.youtube.com/watch?v={quote(self.vid, safe='')}&t={second}s"
