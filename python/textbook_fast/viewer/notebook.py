"""Samples and datasets in a notebook. Takes the notebook's own colors, whatever they are."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from textbook_fast.errors import TextbookError
from textbook_fast.viewer.images import Embedded
from textbook_fast.viewer.sample_html import error_html, items_html, title_of
from textbook_fast.viewer.style import SAMPLE_STYLE
from textbook_fast.viewer.text import escaped

if TYPE_CHECKING:
    from textbook_fast.dataset import Dataset
    from textbook_fast.sample import Sample

__all__ = ["dataset_html", "sample_html"]

LIMIT = 2_000_000
FIRST = 3
FIRST_CHARACTERS = 200
STYLE = (
    ".tf { --line: rgba(127,127,127,.4); --raised: rgba(127,127,127,.1); --quiet: inherit; "
    "--link: inherit; --warn: inherit; --warn-ground: rgba(200,60,40,.15); --mark: #ffe08a; "
    "--mark-ink: #1b1f27; max-width: 60rem; }"
    ".tf .tf-image { max-width: 480px; } .tf ol.tf-items { padding: 0; }"
    ".tf .tf-first { display: flex; gap: 1rem; align-items: flex-start; margin: .6rem 0; }"
    ".tf .tf-first img { width: 200px; }" + SAMPLE_STYLE
)


def _framed(html: str) -> str:
    return f'<div class="tf"><style>{STYLE}</style>{html}</div>'


def sample_html(sample: Sample) -> str:
    """A sample in reading order, its images small and under 2 MB together."""
    try:
        title = title_of(sample)
        numbers = ", ".join(
            f"{name} {value:,}"
            for name in ("image_num", "text_num", "token_num")
            if (value := getattr(sample, name)) is not None
        )
    except TextbookError as error:
        return _framed(error_html(error))
    show = Embedded(limit=LIMIT, size="thumbnail")
    items = items_html(sample, show, ocr=False, whole=False)
    head = f'<p><strong>{escaped(title)}</strong><br><span class="tf-note">{numbers}</span></p>'
    return _framed(head + items)


def dataset_html(dataset: Dataset) -> str:
    """What a dataset is, and its first samples."""
    names = ", ".join(os.path.basename(path) for path in dataset.paths)
    head = f"<p><strong>{len(dataset):,} samples</strong> of {escaped(names)}</p>"
    show = Embedded(limit=LIMIT, size="thumbnail")
    first = "".join(_first(dataset, index, show) for index in range(min(FIRST, len(dataset))))
    left = len(dataset) - FIRST
    more = (
        f'<p class="tf-note">and {left:,} more: <code>ds[{FIRST}]</code> …</p>' if left > 0 else ""
    )
    return _framed(head + first + more)


def _first(dataset: Dataset, index: int, show: Embedded) -> str:
    """A sample's first image and the beginning of its text."""
    try:
        sample = dataset._sample(dataset._position(index))  # noqa: SLF001
        paths = sample.image_paths
        text = " ".join(text for text in sample.texts if text)[: FIRST_CHARACTERS + 1]
        images = sum(path is not None for path in paths)
    except TextbookError as error:
        return error_html(error)
    image = ""
    k = next((k for k, path in enumerate(paths) if path is not None), None)
    if k is not None:
        shown = show(sample, k)
        image = (
            f'<div class="tf-image"><img src="{escaped(shown.url)}" alt=""></div>'
            if shown.url is not None
            else f'<p class="tf-missing">{escaped(shown.reason)}</p>'
        )
    cut = "…" if len(text) > FIRST_CHARACTERS else ""
    said = f'<p class="tf-text" dir="auto">{escaped(text[:FIRST_CHARACTERS])}{cut}</p>'
    noun = "image" if images == 1 else "images"
    return (
        f'<div class="tf-first">{image}<div><p><code>ds[{index}]</code> '
        f'<span class="tf-note">{images} {noun}</span></p>{said}</div></div>'
    )
