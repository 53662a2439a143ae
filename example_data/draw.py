"""Draws the example lessons' slides: text, formulas, plots, boards, a camera's picture.

Deterministic: the same slide and seed give the same pixels, with the fonts that come
with Matplotlib.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import matplotlib as mpl
import numpy as np
from lessons import Step
from matplotlib import patheffects
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.patches import FancyBboxPatch, Rectangle
from numpy.typing import NDArray

mpl.use("agg")
mpl.rcParams.update({"font.family": "DejaVu Sans", "mathtext.fontset": "dejavusans"})

KEYWORDS = ("def ", "for ", "if ", "else:", "return ", "while ", "import ", "in ", "print")


class Theme(NamedTuple):
    """Colors of a lesson."""

    paper: str
    ink: str
    faint: str
    accent: str


THEMES = {
    "light": Theme("#fdfdfb", "#1d2433", "#8a93a5", "#1f6fb2"),
    "dark": Theme("#14171f", "#eceff4", "#6b7487", "#f2b84b"),
    "board": Theme("#24463a", "#f4f2e6", "#9db8ab", "#ffe27a"),
    "code": Theme("#1e1f29", "#f8f8f2", "#6f7590", "#7ad8ff"),
}


def draw(
    step: Step, *, part: int, parts: int, theme: str, footer: str, size: tuple[int, int], seed: int
) -> NDArray[np.uint8]:
    """The slide when `part` of `parts` of its lines have appeared: (height, width, 3), RGB."""
    width, height = size
    colors = THEMES[theme]
    rng = np.random.default_rng(seed)
    figure = Figure(figsize=(width / 100, height / 100), dpi=100, facecolor=colors.paper)
    axes: Any = figure.add_axes((0, 0, 1, 1))
    axes.set_xlim(0, width)
    axes.set_ylim(0, height)
    axes.axis("off")
    shown = step.lines[: max(1, -(-len(step.lines) * part // parts))]
    painter = Painter(figure, axes, width, height, colors, rng)
    painter.title(step.title, footer)
    getattr(painter, step.kind)(shown, part / parts)
    canvas: Any = FigureCanvasAgg(figure)
    canvas.draw()
    pixels = np.asarray(canvas.buffer_rgba())[:height, :width, :3].copy()
    return finish(pixels, rng, has_camera=seed % 5 < 3)


class Painter:
    """Draws one slide; each method is a kind of slide."""

    def __init__(
        self,
        figure: Figure,
        axes: Any,
        width: int,
        height: int,
        colors: Theme,
        rng: np.random.Generator,
    ) -> None:
        self.figure, self.axes, self.rng, self.colors = figure, axes, rng, colors
        self.width, self.height = width, height

    def text(self, x: float, y: float, text: str, size: float, **kwargs: Any) -> None:
        kwargs.setdefault("color", self.colors.ink)
        self.axes.text(x, y, text, fontsize=size, va="center", **kwargs)

    def title(self, title: str, footer: str) -> None:
        self.text(60, self.height - 64, title, 30, color=self.colors.accent, weight="bold")
        self.axes.plot(
            [60, self.width - 60], [self.height - 108] * 2, color=self.colors.faint, lw=2
        )
        self.text(60, 30, footer, 12, color=self.colors.faint)

    def bullets(self, lines: tuple[str, ...], _part: float) -> None:
        for row, line in enumerate(lines):
            y = self.height - 190 - row * 86
            self.axes.plot([84], [y], "o", color=self.colors.accent, ms=11)
            self.text(116, y, line, 24)

    def formula(self, lines: tuple[str, ...], _part: float) -> None:
        gap = min(150, 440 / max(len(lines), 2))
        for row, line in enumerate(lines):
            y = self.height - 220 - row * gap
            self.text(self.width * 0.42, y, line, 34 if "$" in line else 25, ha="center")
        y = self.height - 220
        box = FancyBboxPatch(
            (90, y - 62),
            self.width * 0.84 - 180,
            124,
            boxstyle="round,pad=6",
            fill=False,
            ec=self.colors.accent,
            lw=2.5,
        )
        self.axes.add_patch(box)

    def code(self, lines: tuple[str, ...], _part: float) -> None:
        top = self.height - 150
        box = Rectangle((60, 70), self.width - 420, top - 70, color="#0d0f16", lw=0)
        self.axes.add_patch(box)
        for row, line in enumerate(lines):
            y = top - 36 - row * 44
            self.text(82, y, f"{row + 1}", 15, color="#5a6078", family="DejaVu Sans Mono")
            is_comment = line.lstrip().startswith("#")
            is_keyword = line.lstrip().startswith(KEYWORDS)
            color = "#7f8aa8" if is_comment else "#ff9ad1" if is_keyword else "#e8ecf5"
            code = line.replace("$", r"\$")
            self.text(128, y, code, 19, color=color, family="DejaVu Sans Mono")

    def table(self, lines: tuple[str, ...], _part: float) -> None:
        for row, line in enumerate(lines):
            y = self.height - 200 - row * 78
            left, _, right = line.partition(":") if ":" in line else (line, "", "")
            shade = self.colors.faint if row % 2 else self.colors.accent
            cell = Rectangle((80, y - 36), self.width * 0.62, 72, color=shade, alpha=0.14, lw=0)
            self.axes.add_patch(cell)
            self.text(104, y, left.strip(), 23)
            self.text(60 + self.width * 0.62, y, right.strip(), 23, ha="right", weight="bold")
        self.axes.plot(
            [80, 80 + self.width * 0.62], [self.height - 160] * 2, color=self.colors.ink, lw=2
        )

    def plot(self, lines: tuple[str, ...], part: float) -> None:
        chart: Any = self.figure.add_axes((0.09, 0.14, 0.5, 0.64), facecolor=self.colors.paper)
        x = np.linspace(0, 6, 400)
        a, b = self.rng.uniform(0.6, 1.6, 2)
        curves = (
            lambda v: a * v + b,
            lambda v: np.sin(2 * v * a),
            lambda v: np.exp(v * a * 0.4),
            lambda v: 2.5 / (1 + np.exp(-3 * (v - 3))),
            lambda v: a * (v - 2.4) ** 2,
            lambda v: np.log1p(3 * v),
        )
        first, second = self.rng.permutation(len(curves))[:2]
        if any("P(7)" in line for line in lines):
            heights = np.array([1, 2, 3, 4, 5, 6, 5, 4, 3, 2, 1])
            chart.bar(np.arange(2, 13), heights, color=self.colors.accent, alpha=0.85)
        else:
            chart.plot(x, curves[first](x), color=self.colors.accent, lw=3.5)
            if part > 0.7:
                chart.plot(x, curves[second](x), color="#d0577a", lw=3, ls="--")
                at = float(self.rng.uniform(1, 5))
                chart.plot(
                    [at], [curves[first](np.array([at]))[0]], "o", color=self.colors.ink, ms=11
                )
        chart.grid(visible=True, color=self.colors.faint, alpha=0.35)
        chart.tick_params(colors=self.colors.ink, labelsize=13)
        for spine in chart.spines.values():
            spine.set_color(self.colors.faint)
        for row, line in enumerate(lines):
            self.text(self.width * 0.63, self.height - 210 - row * 84, line, 18)

    def board(self, lines: tuple[str, ...], part: float) -> None:
        chalk = [patheffects.withStroke(linewidth=5, foreground=self.colors.ink, alpha=0.16)]
        strokes = 3 + round(4 * part)
        for stroke in range(strokes):
            x, y = (
                self.rng.uniform(0.55, 0.9) * self.width,
                self.rng.uniform(0.25, 0.62) * self.height,
            )
            kind = (stroke + int(self.rng.integers(2))) % 3
            color = self.colors.accent if stroke % 3 == 1 else self.colors.ink
            self.stroke(kind, x, y, color, chalk)
        for row, line in enumerate(lines):
            y = self.height - 200 - row * 96 + self.rng.normal(0, 4)
            self.text(
                90,
                y,
                line,
                26,
                style="italic",
                rotation=self.rng.normal(0.6, 0.5),
                path_effects=chalk,
            )

    def stroke(self, kind: int, x: float, y: float, color: str, effects: list[Any]) -> None:
        """A line, a triangle or an ellipse, as a hand draws it."""
        t = np.linspace(0, 1, 90)
        reach = self.rng.uniform(50, 130, 2)
        if kind == 0:
            points = np.stack([x - reach[0] + 2 * reach[0] * t, y + reach[1] * (t - 0.5)])
        elif kind == 1:
            corners = np.array([[0, 0], [1, 0], [1, 0.8], [0, 0]]).T * reach[:, None]
            points = np.stack([np.interp(t * 3, range(4), corner) for corner in corners])
            points += np.array([[x - reach[0] / 2], [y - reach[1] / 2]])
        else:
            points = np.stack(
                [x + reach[0] * np.cos(6.5 * t), y + 0.6 * reach[1] * np.sin(6.5 * t)]
            )
        wobble = np.cumsum(self.rng.normal(0, 0.5, points.shape), axis=1)
        points += wobble - np.linspace(0, 1, 90) * wobble[:, -1:]
        self.axes.plot(*points, color=color, lw=3.2, solid_capstyle="round", path_effects=effects)

    def photo(self, lines: tuple[str, ...], _part: float) -> None:
        wide, high = int(self.width * 0.56), int(self.height * 0.66)
        picture = texture(self.rng, high, wide)
        self.axes.imshow(picture, extent=(60, 60 + wide, 70, 70 + high), aspect="auto", zorder=1)
        self.axes.set_xlim(0, self.width)
        self.axes.set_ylim(0, self.height)
        for row, line in enumerate(lines):
            y = self.height - 200 - row * 84
            self.text(self.width * 0.64, y, line, 21)
            self.axes.plot(
                [60 + wide * 0.7, self.width * 0.63],
                [y - 90, y],
                color=self.colors.accent,
                lw=2,
                zorder=2,
            )


def smooth_noise(
    rng: np.random.Generator, height: int, width: int, cells: int
) -> NDArray[np.float64]:
    """Noise of about `cells` bumps across, 0 to 1."""
    rows = max(2, cells * height // width)
    grid = rng.random((rows + 1, cells + 1))
    y, x = np.linspace(0, rows - 1e-6, height), np.linspace(0, cells - 1e-6, width)
    y0, x0 = y.astype(int), x.astype(int)
    fy, fx = (y - y0)[:, None], (x - x0)[None, :]
    fy, fx = fy * fy * (3 - 2 * fy), fx * fx * (3 - 2 * fx)
    top = grid[y0][:, x0] * (1 - fx) + grid[y0][:, x0 + 1] * fx
    low = grid[y0 + 1][:, x0] * (1 - fx) + grid[y0 + 1][:, x0 + 1] * fx
    result: NDArray[np.float64] = top * (1 - fy) + low * fy
    return result


def texture(rng: np.random.Generator, height: int, width: int) -> NDArray[np.uint8]:
    """A camera-like picture: bumps of several sizes in a few related colors, and grain."""
    value = np.zeros((height, width))
    for power in range(2, 8):
        value += smooth_noise(rng, height, width, 2**power) / 2 ** (power * 0.8)
    value = (value - value.min()) / (value.max() - value.min())
    low, high = rng.uniform(20, 110, 3), rng.uniform(120, 245, 3)
    picture = low + (high - low) * value[..., None] + rng.normal(0, 2.5, (height, width, 3))
    result: NDArray[np.uint8] = picture.clip(0, 255).astype(np.uint8)
    return result


def finish(
    pixels: NDArray[np.uint8], rng: np.random.Generator, *, has_camera: bool
) -> NDArray[np.uint8]:
    """Adds what a recording adds: the presenter's camera in the corner."""
    height, width, _ = pixels.shape
    if has_camera:
        high, wide = 212, 284
        inset = texture(rng, high, wide).astype(float) * 0.6 + 40
        y, x = np.mgrid[0:high, 0:wide]
        head = ((x - wide / 2) / 53) ** 2 + ((y - 87) / 65) ** 2 < 1
        body = ((x - wide / 2) / 110) ** 2 + ((y - 229) / 87) ** 2 < 1
        shade = 30 * np.cos((x - wide * 0.4) / 60)[..., None]
        inset[body] = (np.array([70, 84, 120]) + shade)[body]
        inset[head] = (np.array([196, 158, 132]) + shade)[head]
        inset += rng.normal(0, 5, inset.shape)
        pixels[height - high - 16 : height - 16, width - wide - 16 : width - 16] = inset.clip(
            0, 255
        )
    return pixels
