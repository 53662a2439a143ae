"""Statistics as a table for the terminal."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from textbook_fast.statistics import Distribution, Statistics

__all__ = ["describe_number", "rows_of", "statistics_text"]

BLOCKS = " ▁▂▃▄▅▆▇█"
SHOWN_DIMENSIONS = 6


def describe_number(value: float | None) -> str:
    """A number as people read it: whole ones whole, others with one digit or two."""
    if value is None:
        return "none"
    if value == int(value):
        return f"{int(value):,}"
    return f"{value:,.2f}" if abs(value) < 10 else f"{value:,.1f}"  # noqa: PLR2004


def share(value: float | None) -> str:
    """A part of one as a percentage."""
    return "none" if value is None else f"{value:.1%}"


def rows_of(statistics: Statistics) -> list[tuple[str, Distribution]]:
    """What has a distribution, and what it is called."""
    return [
        ("images a sample", statistics.images),
        ("texts a sample", statistics.texts),
        ("text tokens a sample", statistics.text_tokens),
        ("tokens a sample", statistics.tokens),
        ("characters a sample", statistics.characters),
        ("images a clip", statistics.images_per_clip),
        ("seconds a clip", statistics.clip_seconds),
        ("bytes an image", statistics.image_bytes),
    ]


def totals_of(statistics: Statistics) -> list[tuple[str, str]]:
    """The single numbers, and what they are called."""
    images = statistics.images.total
    return [
        ("samples", describe_number(statistics.samples)),
        ("images", describe_number(images)),
        ("videos", describe_number(statistics.videos)),
        ("clips", describe_number(statistics.clips)),
        ("hours of lessons", describe_number(statistics.hours)),
        ("images of no video", describe_number(statistics.other_images)),
        ("share of OCR in the text", share(statistics.ocr_share)),
        ("texts with OCR", share(statistics.ocr_text_share)),
        (
            "images looked at",
            f"{statistics.images_looked_at:,} of {describe_number(images)}"
            + (f", {statistics.image_errors:,} cannot be had" if statistics.image_errors else ""),
        ),
    ]


def statistics_text(statistics: Statistics) -> str:
    """The whole table."""
    lines = [f"{name:<26}{value}" for name, value in totals_of(statistics)]
    lines += [f"{'dimensions':<26}{_dimensions(statistics.dimensions)}", ""]
    header = ["min", "5 %", "median", "mean", "95 %", "max"]
    lines.append(f"{'':<22}" + "".join(f"{name:>11}" for name in header) + "  histogram")
    for name, spread in rows_of(statistics):
        at = spread.percentiles.get
        values = [spread.min, at("5"), at("50"), spread.mean, at("95"), spread.max]
        numbers = "".join(f"{describe_number(value):>11}" for value in values)
        lines.append(f"{name:<22}{numbers}  {_sparkline(spread.counts)}")
    if statistics.similarity is not None:
        lines += ["", "likeness of a sample's images (SSIM, mean over all pairs)"]
        for row in statistics.similarity:
            value = "none" if row.mean is None else f"{row.mean:.4f}"
            failed = f", {row.failed} with images that cannot be had" if row.failed else ""
            lines.append(
                f"  {row.images} images  {value:>8}  "
                f"({row.compared:,} of {row.samples:,} samples{failed})"
            )
    lines += [f"cannot be had: {_one_line(text)}" for text in statistics.image_error_examples]
    return "\n".join(lines)


def _one_line(text: str) -> str:
    return "".join(letter if letter.isprintable() else "?" for letter in text)


def _dimensions(sizes: dict[str, int]) -> str:
    total = sum(sizes.values())
    if not total:
        return "none"
    shown = [f"{size} {count / total:.1%}" for size, count in sizes.items()][:SHOWN_DIMENSIONS]
    more = [f"{len(sizes) - SHOWN_DIMENSIONS} more"] if len(sizes) > SHOWN_DIMENSIONS else []
    return ", ".join(shown + more)


def _sparkline(counts: list[int]) -> str:
    most = max(counts, default=0)
    last = len(BLOCKS) - 1
    return "".join(
        BLOCKS[0 if not count else max(1, round(count / most * last))] for count in counts
    )
