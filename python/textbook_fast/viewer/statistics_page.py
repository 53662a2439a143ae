"""Statistics as one HTML page: tables, and plots as inline SVG."""

from __future__ import annotations

import os
from html import escape
from typing import TYPE_CHECKING

from textbook_fast.viewer.statistics_text import describe_number, rows_of, totals_of
from textbook_fast.viewer.style import PAGE_STYLE

if TYPE_CHECKING:
    from textbook_fast.statistics import Distribution, Statistics

__all__ = ["statistics_page"]

WIDTH, HEIGHT = 460, 150
LEFT, BOTTOM, TOP = 8, 22, 8
SHOWN_DIMENSIONS = 10

STYLE = """
.plots { display: grid; grid-template-columns: repeat(auto-fill, minmax(min(26rem, 100%), 1fr));
  gap: 1rem; }
.plot { border: 1px solid var(--line); border-radius: 8px; background: var(--raised);
  padding: .8rem 1rem; margin: 0; }
.plot h3 { margin: 0; font-size: 1rem; }
.plot p { margin: .15rem 0 .4rem; color: var(--quiet); font-size: .88rem; }
.plot svg { width: 100%; height: auto; display: block; }
.bar { fill: var(--accent); }
.axis { stroke: var(--line); }
.median { stroke: var(--warn); stroke-dasharray: 4 3; }
svg text { fill: var(--quiet); font: 12px system-ui, sans-serif; }
.totals { display: grid; grid-template-columns: repeat(auto-fill, minmax(11rem, 1fr)); gap: .6rem;
  margin: 1rem 0; padding: 0; }
.totals div { border: 1px solid var(--line); border-radius: 8px; padding: .5rem .8rem; }
.totals dt { color: var(--quiet); font-size: .85rem; }
.totals dd { margin: 0; font-size: 1.15rem; font-weight: 600; }
.scroll { overflow-x: auto; }
.num td { text-align: right; white-space: nowrap; }
.num th:not(:first-child) { text-align: right; }
"""


def statistics_page(statistics: Statistics) -> str:
    """The page, complete in itself."""
    names = ", ".join(os.path.basename(path) for path in statistics.files)
    plots = "".join(
        _histogram(name, spread) for name, spread in rows_of(statistics) if spread.count
    )
    plots += _dimensions(statistics) + _similarity(statistics)
    errors = "".join(f"<li>{escape(text)}</li>" for text in statistics.image_error_examples)
    return (
        '<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>Statistics of {escape(names)}</title>"
        f"<style>{PAGE_STYLE}{STYLE}</style></head>"
        f'<body><main class="page"><h1>Statistics of {escape(names)}</h1>'
        f"{_totals(statistics)}<h2>Distributions</h2><div class='plots'>{plots}</div>"
        f"<h2>In numbers</h2>{_table(statistics)}"
        + (f"<h2>Images that cannot be had</h2><ul>{errors}</ul>" if errors else "")
        + "</main></body></html>\n"
    )


def _totals(statistics: Statistics) -> str:
    entries = "".join(
        f"<div><dt>{escape(name)}</dt><dd>{escape(value)}</dd></div>"
        for name, value in totals_of(statistics)
    )
    return f'<dl class="totals">{entries}</dl>'


def _table(statistics: Statistics) -> str:
    names = ["min", "1 %", "5 %", "25 %", "median", "mean", "75 %", "95 %", "99 %", "max"]
    header = "".join(f'<th scope="col">{name}</th>' for name in ["", *names])
    rows = ""
    for name, spread in rows_of(statistics):
        at = spread.percentiles.get
        values = [spread.min, at("1"), at("5"), at("25"), at("50"), spread.mean]
        values += [at("75"), at("95"), at("99"), spread.max]
        cells = "".join(f"<td>{describe_number(value)}</td>" for value in values)
        rows += f'<tr><th scope="row">{escape(name)}</th>{cells}</tr>'
    return (
        f'<div class="scroll" tabindex="0" role="region" aria-label="Distributions in numbers">'
        f'<table class="num"><thead><tr>{header}</tr></thead><tbody>{rows}</tbody></table></div>'
    )


def _histogram(name: str, spread: Distribution) -> str:
    most = max(spread.counts)
    inner_width, inner_height = WIDTH - 2 * LEFT, HEIGHT - BOTTOM - TOP
    step = inner_width / len(spread.counts)
    bars = ""
    for place, count in enumerate(spread.counts):
        height = inner_height * count / most
        low, high = spread.edges[place], spread.edges[place + 1]
        title = f"{describe_number(low)} to {describe_number(high)}: {count:,}"
        bars += (
            f'<rect class="bar" x="{LEFT + place * step:.1f}" '
            f'y="{TOP + inner_height - height:.1f}" width="{max(step - 1, 0.5):.1f}" '
            f'height="{height:.1f}"><title>{title}</title></rect>'
        )
    first, last = spread.edges[0], spread.edges[-1]
    # A bin of one whole number stands for it with its whole width.
    is_whole = spread.edges[1] - first == 1
    middle = (spread.percentiles["50"] + is_whole / 2 - first) / ((last - first) or 1)
    x = LEFT + inner_width * min(max(middle, 0), 1)
    summary = (
        f"mean {describe_number(spread.mean)}, median {describe_number(spread.percentiles['50'])}"
    )
    beyond = "" if spread.max is None or spread.max <= last else " and more"
    svg = (
        f'<svg viewBox="0 0 {WIDTH} {HEIGHT}" role="img" '
        f'aria-label="Histogram of {escape(name)}: {summary}">{bars}'
        f'<line class="median" x1="{x:.1f}" x2="{x:.1f}" y1="{TOP}" y2="{HEIGHT - BOTTOM}"/>'
        f'{_axis()}<text x="{LEFT}" y="{HEIGHT - 6}">{describe_number(first)}</text>'
        f'<text x="{WIDTH - LEFT}" y="{HEIGHT - 6}" text-anchor="end">'
        f"{describe_number(last)}{beyond}</text></svg>"
    )
    return _plot(name, summary, svg)


def _axis() -> str:
    y = HEIGHT - BOTTOM
    return f'<line class="axis" x1="{LEFT}" x2="{WIDTH - LEFT}" y1="{y}" y2="{y}"/>'


def _plot(name: str, summary: str, svg: str) -> str:
    return (
        f'<section class="plot"><h3>{escape(name.capitalize())}</h3>'
        f"<p>{escape(summary)}</p>{svg}</section>"
    )


def _bars(rows: list[tuple[str, float, str]], label: str) -> str:
    """Bars that lie, each with its name and its value: (name, share of the width, value)."""
    line = 22
    bars = ""
    for place, (name, part, value) in enumerate(rows):
        y = place * line
        bars += (
            f'<text x="92" y="{y + 15}" text-anchor="end">{escape(name)}</text>'
            f'<rect class="bar" x="100" y="{y + 3}" width="{max(part, 0) * 260:.1f}" height="15"/>'
            f'<text x="{106 + max(part, 0) * 260:.1f}" y="{y + 15}">{escape(value)}</text>'
        )
    return (
        f'<svg viewBox="0 0 {WIDTH} {max(len(rows), 1) * line}" role="img" '
        f'aria-label="{escape(label)}">{bars}</svg>'
    )


def _dimensions(statistics: Statistics) -> str:
    total = sum(statistics.dimensions.values())
    if not total:
        return ""
    shown = list(statistics.dimensions.items())[:SHOWN_DIMENSIONS]
    rows = [(size, count / total, f"{count / total:.1%}") for size, count in shown]
    label = "; ".join(f"{name}: {value}" for name, _, value in rows)
    summary = f"{len(statistics.dimensions)} sizes among {total:,} images"
    return _plot("dimensions of images", summary, _bars(rows, label))


def _similarity(statistics: Statistics) -> str:
    if statistics.similarity is None:
        return ""
    rows = [
        (f"{row.images} images", row.mean or 0.0, "none" if row.mean is None else f"{row.mean:.4f}")
        for row in statistics.similarity
    ]
    compared = sum(row.compared for row in statistics.similarity)
    label = "; ".join(f"{name}: {value}" for name, _, value in rows)
    return _plot(
        "likeness of a sample's images",
        f"SSIM, mean over all pairs, of {compared:,} samples",
        _bars(rows, label),
    )
