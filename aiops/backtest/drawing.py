"""Draws the charts of a report as inline SVG text, wide for a screen or narrow for a phone."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from xml.etree import ElementTree as Xml

import numpy as np

from aiops.backtest.axes import Scale, Tick, linear_ticks, log_ticks, number, time_ticks
from aiops.backtest.charts import (
    Axis,
    Band,
    Chart,
    Curve,
    DotChart,
    Dots,
    Line,
    Mark,
    PlaneChart,
    Span,
    TimeChart,
    thin,
)
from aiops.backtest.svg import (
    CHARACTER,
    LINE_HEIGHT,
    SHAPES,
    Plot,
    add_element,
    add_path,
    add_point,
    add_text,
    add_x_axis,
    area_swatch,
    joined,
    line_swatch,
    point_swatch,
    start_drawing,
    start_plot,
    stroke,
)
from aiops.series import FloatArray, epoch_seconds

_MOST_DECADES = 1e4


@dataclass(frozen=True, slots=True, kw_only=True)
class LegendEntry:
    """One line of a chart's legend: a name and a drawn swatch."""

    name: str
    swatch: str


def draw(chart: Chart, width: int, limit: int = 2000) -> str:
    """Return one ``<svg>`` element.

    Args:
        width: Width of the drawing in pixels, at which its text has its natural size; heights follow from it.
        limit: Most points of a line; beyond that, each stretch keeps its lowest and its highest.
    """
    if isinstance(chart, TimeChart):
        root = _time_chart(chart, width, limit)
    elif isinstance(chart, PlaneChart):
        root = _plane_chart(chart, width)
    else:
        root = _dot_chart(chart, width)
    return Xml.tostring(root, encoding="unicode")


def legend(chart: Chart) -> tuple[LegendEntry, ...]:
    """Return what the colours and shapes of a chart stand for; empty where the chart says it itself."""
    if isinstance(chart, TimeChart):
        lines = [LegendEntry(name=each.name, swatch=line_swatch(each.tone, each.dashed)) for each in chart.lines]
        bands = [LegendEntry(name=each.name, swatch=area_swatch(each.tone)) for each in chart.bands]
        return (*lines, *bands) if len(lines) + len(bands) > 1 else ()
    if isinstance(chart, PlaneChart):
        return tuple(
            LegendEntry(name=each.name, swatch=point_swatch(each.tone, index))
            for index, each in enumerate(chart.curves)
        )
    if len(chart.dots) == 1:
        return ()
    return tuple(
        LegendEntry(name=each.name, swatch=point_swatch(each.tone, index)) for index, each in enumerate(chart.dots)
    )


def _time_chart(chart: TimeChart, width: int, limit: int) -> Xml.Element:
    start = epoch_seconds(chart.start)
    step = chart.step.total_seconds()
    count = len(chart.lines[0].values)
    end = start + max(count, 1) * step
    named = _stacked(chart.spans, start, end, width)
    levels = 1 + max((level for _, _, level in named), default=-1)
    y_ticks = _ticks(
        chart.axis,
        (*(line.values for line in chart.lines), *(side for band in chart.bands for side in (band.lower, band.upper))),
        about=5,
        zero_based=True,
    )
    height = (300 if width > 600 else 240) + levels * LINE_HEIGHT
    plot = start_plot(chart.title, chart.axis, y_ticks, width, height, head=levels * LINE_HEIGHT, foot=40, right=14)
    x = Scale(low=start, high=end, pixels=plot.width)
    y = Scale(low=y_ticks[0].value, high=y_ticks[-1].value, pixels=plot.height, log=chart.axis.log, flipped=True)
    add_x_axis(plot, time_ticks(chart.start, chart.start + max(count, 1) * chart.step, max(3, width // 95)), x)
    years = dict.fromkeys(f"{at:%Y}" for at in (chart.start, chart.start + count * chart.step))
    add_text(plot.outer, width - 14, 13, f"{'–'.join(years)}, UTC", "axis end")
    for span, anchor, level in named:
        _span(plot, span, x, anchor, level, levels)
    for band in chart.bands:
        add_path(plot.inner, _band_path(band, x, y, start, step, limit), f"area {band.tone}")
    for line in chart.lines:
        add_path(plot.inner, _line_path(line, x, y, start, step, limit), stroke(line.tone, line.dashed))
    for mark in chart.marks:
        _mark(plot.inner, mark, x, y)
    return plot.outer


def _plane_chart(chart: PlaneChart, width: int) -> Xml.Element:
    direct = width > 600
    x_values, y_values = [curve.x for curve in chart.curves], [curve.y for curve in chart.curves]
    x_ticks = _ticks(chart.x, (*x_values, np.asarray(chart.guides, dtype=np.float64)), about=7 if direct else 4)
    y_ticks = _ticks(chart.y, y_values, about=7)
    right = _room_for_names(chart, x_ticks, width - 50) if direct else 14.0
    plot = start_plot(chart.title, chart.y, y_ticks, width, 420 if direct else 320, head=0, foot=46, right=right)
    x = Scale(low=x_ticks[0].value, high=x_ticks[-1].value, pixels=plot.width, log=chart.x.log)
    y = Scale(low=y_ticks[0].value, high=y_ticks[-1].value, pixels=plot.height, log=chart.y.log, flipped=True)
    add_x_axis(plot, x_ticks, x)
    add_text(plot.outer, plot.left + plot.width, plot.top + plot.height + 36, chart.x.text, "axis end")
    for guide in chart.guides:
        at = _pixel(x.at(guide))
        add_element(plot.inner, "path", {"class": "guide", "d": f"M{at} 0V{plot.height:g}"})
    ends: list[tuple[float, float, Curve]] = []
    for index, curve in enumerate(chart.curves):
        shown = ~(np.isnan(curve.x) | np.isnan(curve.y))
        at_x, at_y = x.at(curve.x[shown]), y.at(curve.y[shown])
        if not len(at_x):
            continue
        add_path(plot.inner, joined(at_x, at_y), stroke(curve.tone, curve.dashed))
        texts = [text for text, kept in zip(curve.labels, shown, strict=True) if kept] if curve.labels else []
        for point, (px, py) in enumerate(zip(at_x, at_y, strict=True)):
            said = f"{curve.name}{': ' + texts[point] if texts else ''}"
            values = f"{chart.x.text} {number(curve.x[shown][point])}, {chart.y.text} {number(curve.y[shown][point])}"
            add_point(plot.outer, plot.left + px, plot.top + py, index, curve.tone, f"{said}\n{values}")
        last = int(np.argmax(at_x))
        ends.append((float(at_x[last]), float(at_y[last]), curve))
    if direct:
        _end_labels(plot, ends)
    return plot.outer


def _dot_chart(chart: DotChart, width: int) -> Xml.Element:
    reference = np.asarray([] if chart.reference is None else [chart.reference], dtype=np.float64)
    ticks = _ticks(chart.axis, (*(dots.values for dots in chart.dots), reference), about=7 if width > 600 else 4)
    room = int(width * (0.3 if width > 600 else 0.36) / CHARACTER)
    left = 16 + min(max(len(row) for row in chart.rows), room) * CHARACTER * 1.1
    spread = any(dots.values.shape[1] > 1 for dots in chart.dots)
    lane = 18.0 if spread else 0.0
    row_height = max(24.0, lane * len(chart.dots) + 10)
    top, height = 22.0 if chart.reference_text else 4.0, row_height * len(chart.rows)
    outer = start_drawing(chart.title, width, top + height + 46)
    inner = outer
    plot = Plot(outer=outer, inner=inner, left=left, top=top, width=width - left - 16, height=height, right=16)
    x = Scale(low=ticks[0].value, high=ticks[-1].value, pixels=plot.width, log=chart.axis.log)
    add_x_axis(plot, ticks, x, grid=True)
    add_text(outer, left + plot.width, top + height + 36, chart.axis.text, "axis end")
    if chart.reference is not None:
        at = left + float(x.at(chart.reference))
        add_element(outer, "path", {"class": "reference", "d": f"M{at:.1f} {top - 4:g}V{top + height:g}"})
        near_end = at > left + plot.width * 0.6
        add_text(outer, at + (4 if near_end else -4), top - 9, chart.reference_text, "axis end" if near_end else "axis")
    for row, name in enumerate(chart.rows):
        middle = top + (row + 0.5) * row_height
        label = add_text(
            outer, left - 10, middle + 4, name if len(name) <= room else name[: room - 1] + "…", "name end"
        )
        add_element(label, "title", {}, name)
        add_element(outer, "path", {"class": "rule", "d": f"M{left:g} {middle + row_height / 2:g}h{plot.width:g}"})
        if not spread and len(chart.dots) > 1:
            seen = np.concatenate([dots.values[row] for dots in chart.dots])
            seen = x.at(seen[~np.isnan(seen)])
            if len(seen):
                reach = f"M{left + seen.min():.1f} {middle:g}H{left + seen.max():.1f}"
                add_element(outer, "path", {"class": "reach", "d": reach})
        for index, dots in enumerate(chart.dots):
            y = middle + (index - (len(chart.dots) - 1) / 2) * lane
            _dots(plot, dots, index, row, name, x, y, chart.axis)
    return outer


def _dots(plot: Plot, dots: Dots, index: int, row: int, name: str, x: Scale, y: float, axis: Axis) -> None:
    values = dots.values[row]
    values = values[~np.isnan(values)]
    if not len(values):
        add_text(plot.outer, plot.left + 6, y + 4, "no value", "axis")
        return
    middle = float(np.median(values))
    if dots.values.shape[1] > 1:
        for value in thin(np.sort(values), 400)[1]:
            at = plot.left + float(x.at(float(value)))
            add_element(
                plot.outer, "circle", {"class": f"faint {dots.tone}", "cx": f"{at:.1f}", "cy": f"{y:g}", "r": "2.5"}
            )
        low, high = plot.left + x.at(np.quantile(values, [0.25, 0.75]))
        add_element(plot.outer, "path", {"class": f"bar {dots.tone}", "d": f"M{low:.1f} {y:g}H{high:.1f}"})
        said = f"{name}, {dots.name}: median {number(middle)} of {len(values)}, {axis.text}"
    else:
        said = f"{name}, {dots.name}: {number(middle)}, {axis.text}"
    add_point(plot.outer, plot.left + float(x.at(middle)), y, index, dots.tone, said)


def _ticks(axis: Axis, arrays: Iterable[FloatArray], about: int, *, zero_based: bool = False) -> list[Tick]:
    values = np.concatenate([np.ravel(each) for each in arrays])
    values = values[np.isfinite(values)]
    if axis.log:
        positive = values[values > 0]
        if not len(positive):
            positive = np.asarray([1.0])
        low, high = float(positive.min()), float(positive.max())
        edge = "0" if (values <= 0).any() else ""
        if low < high / _MOST_DECADES:  # a value that is almost nothing must not squeeze all others
            low, edge = high / _MOST_DECADES, "less"
        return log_ticks(low, high, about, edge=edge)
    low, high = (float(values.min()), float(values.max())) if len(values) else (0.0, 1.0)
    return linear_ticks(min(low, 0.0) if zero_based else low, high, about)


def _line_path(line: Line, x: Scale, y: Scale, start: float, step: float, limit: int) -> str:
    at, values = thin(line.values, limit // 2 if line.steps else limit)
    px, py = x.at(start + at * step), y.at(values)
    if not line.steps:
        return joined(px, py)
    until = np.append(px[1:], x.at(start + len(line.values) * step))
    return joined(np.repeat(px, 2) + np.tile([0.0, 1.0], len(px)) * np.repeat(until - px, 2), np.repeat(py, 2))


def _band_path(band: Band, x: Scale, y: Scale, start: float, step: float, limit: int) -> str:
    """One closed area for each stretch; where points are too many, a bucket shows its widest moment."""
    gap = np.where(band.upper > band.lower, band.upper - band.lower, np.nan)
    width = max(1, -(-len(gap) // limit))
    padded = np.full(-(-len(gap) // width) * width, np.nan)
    padded[: len(gap)] = gap
    table = padded.reshape(-1, width)
    widest = np.arange(len(table)) * width + np.where(np.isnan(table), -1.0, table).argmax(axis=1)
    path = []
    filled = ~np.isnan(table).all(axis=1)
    edges = np.flatnonzero(np.diff(np.concatenate([[False], filled, [False]]).astype(np.int8)))
    for first, last in zip(edges[::2], edges[1::2], strict=True):
        chosen = widest[first:last]
        # Each value holds for its step, so that a single missed step still shows.
        sides = np.stack(
            [np.arange(first, last) * width, np.minimum(np.arange(first, last) + 1, len(table)) * width], 1
        )
        px = x.at(start + np.minimum(sides.ravel(), len(gap)) * step)
        upper, lower = np.repeat(y.at(band.upper[chosen]), 2), np.repeat(y.at(band.lower[chosen]), 2)
        path.append(joined(np.concatenate([px, px[::-1]]), np.concatenate([upper, lower[::-1]])) + "z")
    return "".join(path)


def _stacked(spans: tuple[Span, ...], start: float, end: float, width: int) -> list[tuple[Span, str, int]]:
    """Give each span's name a side to stand on and a level on which it meets no other name."""
    taken: list[float] = []
    placed = []
    for span in sorted(spans, key=lambda each: each.start):
        first = (epoch_seconds(span.start) - start) / (end - start) * width
        last = (epoch_seconds(span.end) - start) / (end - start) * width
        length = len(span.text) * CHARACTER
        anchor = "end" if first + length > width * 0.94 else ""
        begins, ends = (last - length, last) if anchor else (first, first + length)
        level = next((index for index, until in enumerate(taken) if until < begins), len(taken))
        taken[level : level + 1] = [ends + 12]
        placed.append((span, anchor, level))
    return placed


def _span(plot: Plot, span: Span, x: Scale, anchor: str, level: int, levels: int) -> None:
    first, last = float(x.at(epoch_seconds(span.start))), float(x.at(epoch_seconds(span.end)))
    first, last = max(first, 0.0), min(max(last, first + 1), plot.width)
    if last <= 0 or first >= plot.width:
        return
    size = {"x": f"{first:.1f}", "y": "0", "width": f"{last - first:.1f}", "height": f"{plot.height:g}"}
    shade = add_element(plot.inner, "rect", {"class": f"span {span.tone}", **size})
    add_element(shade, "title", {}, span.text)
    y = plot.top - 6 - (levels - 1 - level) * LINE_HEIGHT
    add_text(plot.outer, plot.left + (last if anchor else first), y, span.text, f"name {anchor}")


def _mark(inner: Xml.Element, mark: Mark, x: Scale, y: Scale) -> None:
    at = f"translate({float(x.at(epoch_seconds(mark.at))):.1f} {float(y.at(mark.value)):.1f})"
    shape = add_element(inner, "path", {"class": f"point {mark.tone}", "d": SHAPES[4], "transform": at})
    add_element(shape, "title", {}, mark.text)


def _room_for_names(chart: PlaneChart, ticks: list[Tick], width: float) -> float:
    """Return the right margin that lets every curve's name stand beside the curve's last point."""
    room = 14.0
    share = Scale(low=ticks[0].value, high=ticks[-1].value, pixels=1.0, log=chart.x.log)
    for curve in chart.curves:
        ends = share.at(curve.x[~np.isnan(curve.x)]).max(initial=0.0)
        if ends > 0:
            room = max(room, width - (width - 16 - len(curve.name) * CHARACTER * 1.1) / float(ends))
    return min(room, width * 0.4)


def _end_labels(plot: Plot, ends: list[tuple[float, float, Curve]]) -> None:
    """Write each curve's name right of its end; where two would touch one gives way, and none leaves the plot."""
    placed: list[float] = []
    ends = sorted(ends, key=lambda each: each[1])
    for _, y, _ in ends:
        placed.append(max(y, placed[-1] + LINE_HEIGHT) if placed else y)
    ceiling = plot.height
    for index in reversed(range(len(placed))):
        placed[index] = min(placed[index], ceiling)
        ceiling = placed[index] - LINE_HEIGHT
    for (x, _, curve), y in zip(ends, placed, strict=True):
        add_text(plot.outer, plot.left + x + 9, plot.top + y + 4, curve.name, f"name ink {curve.tone}")


def _pixel(value: FloatArray) -> str:
    return f"{float(value):.1f}"
