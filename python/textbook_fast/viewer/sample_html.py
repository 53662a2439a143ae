"""A sample in reading order as HTML. Where an image's pixels come from is the caller's."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from textbook_fast.errors import TextbookError
from textbook_fast.sample import Sample
from textbook_fast.videos import format_seconds
from textbook_fast.viewer.text import escaped, paragraph

__all__ = ["Shown", "error_html", "image_name", "items_html", "title_of"]


@dataclass(frozen=True, slots=True)
class Shown:
    """An image as it is shown, or why not.

    Attributes:
        url: What the element shows; None where it cannot.
        reason: Why it cannot, else empty.
        link: Where a click leads, or None.
    """

    url: str | None
    reason: str = ""
    link: str | None = None


ShowImage = Callable[[Sample, int], Shown]


def title_of(sample: Sample) -> str:
    """What a sample is called: its index, and the video that it begins with."""
    vid = next((frame.vid for frame in sample.keyframes if frame is not None), None)
    return f"Sample {sample.index}" + (f", video {vid}" if vid else "")


def image_name(sample: Sample, k: int) -> str:
    """The image at position `k` in words, for those who cannot see it."""
    frame = sample.keyframes[k]
    if frame is None:
        return f"Image at position {k}"
    return f"Keyframe {frame.number} of video {frame.vid} at {format_seconds(frame.start_seconds)}"


def error_html(error: Exception) -> str:
    """A box that says what is wrong."""
    return f'<p class="tf-missing" role="alert">{escaped(str(error))}</p>'


def items_html(
    sample: Sample, show: ShowImage, *, ocr: bool, whole: bool, name: str = "item"
) -> str:
    """The list of a sample's images and texts.

    Args:
        sample: The sample.
        show: Gives each image's address.
        ocr: Whether what can be read in the keyframes is unfolded beside the speech.
        whole: Whether very long texts are given whole, too.
        name: What the items' names in the page begin with.
    """
    try:
        paths, texts = sample.image_paths, sample.texts
        with_ocr = sample.text_ocr_list or []
    except TextbookError as error:
        return error_html(error)
    items = []
    for k, (path, text) in enumerate(zip(paths, texts, strict=True)):
        html = ""
        if path is not None:
            html += _figure(sample, k, path, show(sample, k))
        if text is not None:
            html += paragraph(text, whole=whole)
        both = with_ocr[k] if k < len(with_ocr) else None
        if both is not None and both != text:
            unfolded = " open" if ocr else ""
            html += (
                f'<details class="tf-ocr"{unfolded}><summary>with the words in the keyframes'
                f"</summary>{paragraph(both, whole=whole)}</details>"
            )
        items.append(f'<li class="tf-item" id="{name}-{k}">{html}</li>')
    return f'<ol class="tf-items">{"".join(items)}</ol>'


def _figure(sample: Sample, k: int, path: str, shown: Shown) -> str:
    name = escaped(image_name(sample, k))
    if shown.url is None:
        return (
            f'<p class="tf-missing">{name} cannot be shown: {escaped(shown.reason)}'
            f" (<bdi>{escaped(path)}</bdi>)</p>"
        )
    image = f'<img src="{escaped(shown.url)}" alt="{name}" loading="lazy" decoding="async">'
    if shown.link is not None:
        image = f'<a href="{escaped(shown.link)}">{image}</a>'
    return (
        f'<figure class="tf-image">{image}<figcaption>{_caption(sample, k)}</figcaption></figure>'
    )


def _caption(sample: Sample, k: int) -> str:
    frame = sample.keyframes[k]
    path = sample.image_paths[k] or ""
    if frame is None:
        return f"<bdi>{escaped(path)}</bdi>"
    at = format_seconds(frame.start_seconds)
    link = f'<a href="{escaped(frame.url)}" rel="noreferrer">YouTube at {at}</a>'
    until = format_seconds(frame.end_seconds)
    return f"keyframe {frame.number} of {at} to {until}, {link}"
