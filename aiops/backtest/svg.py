"""SVG by elements: axes, texts, paths and points, the vocabulary of ``drawing.py``.

Every colour is a class that the page's style sheet fills in, so that one drawing serves light, dark and print. Elements
are built with ElementTree, which escapes all text: a series may be named anything.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from xml.etree import ElementTree as Xml

from aiops.backtest.axes import Scale, Tick
from aiops.backtest.charts import Axis, Tone
from aiops.series import FloatArray

CHARACTER = 7.1
"""Width of an average character in pixels, for keeping texts apart; no font is measured."""
LINE_HEIGHT = 15.0
SHAPES = (
    "M-4 0a4 4 0 1 0 8 0a4 4 0 1 0 -8 0z",
    "M-3.6 -3.6h7.2v7.2h-7.2z",
    "M0 -4.8L4.6 3.6H-4.6z",
    "M0 -5.2L5.2 0L0 5.2L-5.2 0z",
    "M-4.6 -3.6H4.6L0 4.8z",
    "M-1.6 -4.8h3.2v3.2h3.2v3.2h-3.2v3.2h-3.2v-3.2h-3.2v-3.2h3.2z",
)
"""Circle, square, triangles, diamond, cross: curves differ by shape as well as by colour."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Plot:
    """The area inside the axes, what is left to the right of it, and the elements to draw into."""

    outer: Xml.Element
    inner: Xml.Element
    left: float
    top: float
    width: float
    height: float
    right: float


def start_plot(
    title: str, axis: Axis, ticks: list[Tick], width: int, height: float, *, head: float, foot: float, right: float
) -> Plot:
    """Start a drawing: the vertical axis with its grid, and an inner element that clips what leaves the plot."""
    left = 12 + max(len(tick.text) for tick in ticks) * CHARACTER
    top = 26 + head
    outer = start_drawing(title, width, height)
    plot_width, plot_height = width - left - right, height - top - foot
    scale = Scale(low=ticks[0].value, high=ticks[-1].value, pixels=plot_height, log=axis.log, flipped=True)
    add_text(outer, 0, 13, axis.text, "axis")
    for tick in ticks:
        y = top + float(scale.at(tick.value))
        add_element(outer, "path", {"class": "grid", "d": f"M{left:g} {y:.1f}h{plot_width:g}"})
        add_text(outer, left - 6, y + 4, tick.text, "axis end")
    inner = add_element(
        outer, "svg", {"x": f"{left:g}", "y": f"{top:g}", "width": f"{plot_width:g}", "height": f"{plot_height:g}"}
    )
    return Plot(outer=outer, inner=inner, left=left, top=top, width=plot_width, height=plot_height, right=right)


def add_x_axis(plot: Plot, ticks: list[Tick], x: Scale, *, grid: bool = False) -> None:
    """Write the ticks under the plot; with ``grid``, draw a line up from each."""
    bottom = plot.top + plot.height
    add_element(plot.outer, "path", {"class": "base", "d": f"M{plot.left:g} {bottom:g}h{plot.width:g}"})
    for tick in ticks:
        at = plot.left + float(x.at(tick.value))
        mark = f"M{at:.1f} {plot.top:g}V{bottom:g}" if grid else f"M{at:.1f} {bottom:g}v4"
        add_element(plot.outer, "path", {"class": "grid" if grid else "base", "d": mark})
        for text, y in ((tick.text, bottom + 17), (tick.below, bottom + 31)):
            if text:  # the last one stays inside the drawing
                inside = plot.left + plot.width + plot.right - len(text) * CHARACTER / 2
                add_text(plot.outer, min(at, inside), y, text, "axis middle")


def joined(x: FloatArray, y: FloatArray) -> str:
    """Join points; a NaN lifts the pen, and a point alone becomes a dot by its round ends."""
    parts, down = [], False
    for px, py in zip(x.round(1).tolist(), y.round(1).tolist(), strict=True):
        if math.isnan(px) or math.isnan(py):
            down = False
            continue
        parts.append(f"{'L' if down else 'M'}{px:g} {py:g}{'' if down else 'h0'}")
        down = True
    return "".join(parts)


def add_point(parent: Xml.Element, x: float, y: float, index: int, tone: Tone, said: str) -> None:
    """Draw the ``index``-th shape; ``said`` shows when the pointer rests on it."""
    shape = add_element(
        parent,
        "path",
        {"class": f"point {tone}", "d": SHAPES[index % len(SHAPES)], "transform": f"translate({x:.1f} {y:.1f})"},
    )
    add_element(shape, "title", {}, said)


def line_swatch(tone: Tone, dashed: bool) -> str:
    """Return the sample of a line, for a legend."""
    return f'<svg class="swatch" viewBox="0 0 22 12"><path class="{stroke(tone, dashed)}" d="M1 6H21"/></svg>'


def area_swatch(tone: Tone) -> str:
    """Return the sample of a band, for a legend."""
    return f'<svg class="swatch" viewBox="0 0 22 12"><path class="area {tone}" d="M1 1H21V11H1z"/></svg>'


def point_swatch(tone: Tone, index: int) -> str:
    """Return the sample of a curve with its points, for a legend."""
    shape = SHAPES[index % len(SHAPES)]
    return (
        f'<svg class="swatch" viewBox="-11 -6 22 12"><path class="line {tone}" d="M-10 0H10"/>'
        f'<path class="point {tone}" d="{shape}"/></svg>'
    )


def stroke(tone: Tone, dashed: bool) -> str:
    """Return the classes of a line."""
    return f"line {tone}{' dashed' if dashed else ''}"


def start_drawing(title: str, width: float, height: float) -> Xml.Element:
    """Return an empty drawing whose text has its natural size at ``width`` pixels."""
    return Xml.Element("svg", {"viewBox": f"0 0 {width:g} {height:g}", "role": "img", "aria-label": title})


def add_path(parent: Xml.Element, path: str, kind: str) -> None:
    """Add a path with the classes ``kind``; an empty one is left out."""
    if path:
        add_element(parent, "path", {"class": kind, "d": path})


def add_text(parent: Xml.Element, x: float, y: float, text: str, kind: str) -> Xml.Element:
    """Add a text on the baseline ``y`` with the classes ``kind``."""
    return add_element(parent, "text", {"x": f"{x:.1f}", "y": f"{y:.1f}", "class": kind.strip()}, text)


def add_element(parent: Xml.Element, tag: str, attributes: dict[str, str], text: str = "") -> Xml.Element:
    """Add any element."""
    made = Xml.SubElement(parent, tag, attributes)
    made.text = text or None
    return made
