"""A fast, dependable loader of interleaved image-text data.

>>> import textbook_fast
>>> ds = textbook_fast.open("example_data/textbook_sample_100.json")
>>> sample = ds[42]
"""

import os

from textbook_fast import _core
from textbook_fast._core import __version__
from textbook_fast.batch import ImageBatch
from textbook_fast.clips import Clip, ClipSample
from textbook_fast.concat import concat
from textbook_fast.dataset import Dataset, open  # noqa: A004
from textbook_fast.errors import (
    DamagedJpegWarning,
    FormatError,
    ImageError,
    ImageNotFoundError,
    IndexMissingError,
    JpegError,
    RecordError,
    SampleIndexError,
    SourceChangedError,
    SourceError,
    SourceNotFoundError,
    SourcePermissionError,
    StateError,
    TextbookError,
    TruncatedError,
    VideoNotFoundError,
)
from textbook_fast.jpeg import JpegHeader, decode_jpeg, decode_jpegs, read_jpeg_header
from textbook_fast.keyframe import Keyframe
from textbook_fast.loader import Loader
from textbook_fast.mix import mix
from textbook_fast.packing import Pack, pack_sequences
from textbook_fast.prompt import Prompt
from textbook_fast.rewrite import RewriteReport, rewrite_paths
from textbook_fast.sample import Sample
from textbook_fast.search import SearchHit
from textbook_fast.statistics import Statistics, structural_similarity
from textbook_fast.transforms import EdgeLimits, ImageTransform, Patches, PixelBudget
from textbook_fast.videos import Video, Videos, open_videos

__all__ = [
    "MAX_IMAGE_PIXELS",
    "Clip",
    "ClipSample",
    "DamagedJpegWarning",
    "Dataset",
    "EdgeLimits",
    "FormatError",
    "ImageBatch",
    "ImageError",
    "ImageNotFoundError",
    "ImageTransform",
    "IndexMissingError",
    "JpegError",
    "JpegHeader",
    "Keyframe",
    "Loader",
    "Pack",
    "Patches",
    "PixelBudget",
    "Prompt",
    "RecordError",
    "RewriteReport",
    "Sample",
    "SampleIndexError",
    "SearchHit",
    "SourceChangedError",
    "SourceError",
    "SourceNotFoundError",
    "SourcePermissionError",
    "StateError",
    "Statistics",
    "TextbookError",
    "TruncatedError",
    "Video",
    "VideoNotFoundError",
    "Videos",
    "__version__",
    "concat",
    "decode_jpeg",
    "decode_jpegs",
    "mix",
    "open",
    "open_videos",
    "pack_sequences",
    "read_jpeg_header",
    "rewrite_paths",
    "structural_similarity",
]

MAX_IMAGE_PIXELS: int | None = 178_956_970
"""An image that claims more pixels is refused before memory is taken for it; None for
no limit. Read at each decode, so it may be set at any time, in each process. The
default is the number at which Pillow refuses (twice its own MAX_IMAGE_PIXELS)."""

os.register_at_fork(
    before=_core.before_fork,
    after_in_parent=_core.after_fork_in_parent,
    after_in_child=_core.after_fork_in_child,
)
