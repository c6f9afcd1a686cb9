"""What a report can plot. These types say what to show; ``drawing.py`` draws it.

One series keeps one ``Tone`` in every chart of a report, so that a reader learns the colours once.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

import numpy as np

from aiops.errors import DataError
from aiops.series import FloatArray
from aiops.series.grid import require_step, require_utc


class Tone(StrEnum):
    """A colour by name; each has a light and a dark form that colour-blind readers can tell apart (Okabe and Ito)."""

    BLUE = "blue"
    ORANGE = "orange"
    GREEN = "green"
    PURPLE = "purple"
    OLIVE = "olive"
    SKY = "sky"
    GREY = "grey"
    RED = "red"
    """For what went wrong: misses, incidents."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Axis:
    """What an axis measures.

    Attributes:
        label: What is measured, without the unit.
        unit: Unit in words or symbols, such as ``"requests/second"`` or ``"%"``; empty for a pure number.
        log: Logarithmic. Values of zero then sit on the edge, under a tick that says 0; so do, under a tick that says
            "less", values below a ten-thousandth of the highest.
    """

    label: str
    unit: str = ""
    log: bool = False

    @property
    def text(self) -> str:
        """Return label and unit, as an axis carries them."""
        return f"{self.label} ({self.unit})" if self.unit else self.label


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Line:
    """Values over time, shape ``[n]``; NaN leaves a gap.

    Attributes:
        steps: Draw each value as holding for its whole step, as replicas and capacity do.
    """

    name: str
    values: FloatArray
    tone: Tone
    steps: bool = False
    dashed: bool = False


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Band:
    """The area between ``lower`` and ``upper``, both ``[n]``: a forecast's interval, or the demand above capacity.

    Where either is NaN, or ``upper`` is not above ``lower``, there is no area.
    """

    name: str
    lower: FloatArray
    upper: FloatArray
    tone: Tone


@dataclass(frozen=True, slots=True, kw_only=True)
class Mark:
    """A point in time that deserves a look, such as a missed minute or a decision.

    Attributes:
        text: What happened; shown when the pointer rests on the mark.
    """

    at: datetime
    value: float
    text: str
    tone: Tone = Tone.RED


@dataclass(frozen=True, slots=True, kw_only=True)
class Span:
    """A stretch of time with a name, such as an incident; shaded, with its name at the top."""

    start: datetime
    end: datetime
    text: str
    tone: Tone = Tone.RED


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class TimeChart:
    """Lines and bands on one regular grid.

    Attributes:
        start: Stamp of the first value. Timezone-aware, UTC.
        step: Grid spacing; positive.
        axis: The vertical axis; it starts at zero unless it is logarithmic or some value is negative.
        caption: One or two sentences on what to see.

    Raises:
        DataError: If there is no line, or a length differs from the first line's.
    """

    title: str
    axis: Axis
    start: datetime
    step: timedelta
    lines: tuple[Line, ...]
    bands: tuple[Band, ...] = ()
    marks: tuple[Mark, ...] = ()
    spans: tuple[Span, ...] = ()
    caption: str = ""

    def __post_init__(self) -> None:
        require_utc(self.start, "start")
        require_step(self.step)
        if not self.lines:
            raise DataError(f"chart {self.title!r} needs at least one line")
        shape = (len(self.lines[0].values),)
        for line in self.lines:
            _require_shape(self.title, line.name, line.values, shape)
        for band in self.bands:
            _require_shape(self.title, band.name, band.lower, shape)
            _require_shape(self.title, band.name, band.upper, shape)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Curve:
    """Points in a plane, joined in the order given.

    Attributes:
        x: Shape ``[n]``; a point with a NaN is left out.
        y: Shape ``[n]``.
        labels: One text a point, shown when the pointer rests on it; or none.
        dashed: Join the points by a dashed line.
    """

    name: str
    x: FloatArray
    y: FloatArray
    tone: Tone
    labels: tuple[str, ...] = ()
    dashed: bool = False


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class PlaneChart:
    """Several curves over two measured axes, such as the cost and the misses of scaling policies.

    Attributes:
        guides: Values of x at which a thin vertical line helps reading.

    Raises:
        DataError: If there is no curve, or lengths within a curve differ.
    """

    title: str
    x: Axis
    y: Axis
    curves: tuple[Curve, ...]
    guides: tuple[float, ...] = ()
    caption: str = ""

    def __post_init__(self) -> None:
        if not self.curves:
            raise DataError(f"chart {self.title!r} needs at least one curve")
        for curve in self.curves:
            _require_shape(self.title, curve.name, curve.x, (len(curve.x),))
            _require_shape(self.title, curve.name, curve.y, (len(curve.x),))
            if curve.labels and len(curve.labels) != len(curve.x):
                raise DataError(
                    f"chart {self.title!r}, {curve.name!r}: {len(curve.labels)} labels, {len(curve.x)} points"
                )


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Dots:
    """Values beside each row of a DotChart, shape ``[n_rows, m]``; NaN is left out.

    With ``m`` > 1 a row shows every value small, the middle half as a bar and the median as a large dot.
    """

    name: str
    values: FloatArray
    tone: Tone


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class DotChart:
    """One row a thing (workload, model), with dots on one common axis.

    Attributes:
        rows: Names of the rows, top to bottom.
        reference: Value that gets a vertical line, such as 1 for "as good as the reference model".
        reference_text: What that line means.

    Raises:
        DataError: If there are no rows or no dots, or shapes disagree.
    """

    title: str
    axis: Axis
    rows: tuple[str, ...]
    dots: tuple[Dots, ...]
    reference: float | None = None
    reference_text: str = ""
    caption: str = ""

    def __post_init__(self) -> None:
        if not self.rows or not self.dots:
            raise DataError(f"chart {self.title!r} needs at least one row and one set of dots")
        for dots in self.dots:
            if dots.values.ndim != 2 or len(dots.values) != len(self.rows):
                raise DataError(
                    f"chart {self.title!r}, {dots.name!r}: values must have shape [{len(self.rows)}, m], "
                    f"got {dots.values.shape}"
                )


Chart = TimeChart | PlaneChart | DotChart


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Walk:
    """A stretch of time to walk through: a chart, and what happened at each of its moments.

    Attributes:
        summary: One line; pressing it opens the rest.
        text: What to see, as a sentence or two.
        steps: (index into the chart's steps from which on it holds, what happened), in order.
        first_shown: Step at which the walk begins.

    Raises:
        DataError: If a step lies outside of the chart, or they are not in order.
    """

    summary: str
    text: str
    chart: TimeChart
    steps: tuple[tuple[int, str], ...]
    first_shown: int = 0

    def __post_init__(self) -> None:
        at = [step for step, _ in self.steps]
        if at != sorted(at) or not all(0 <= step < self.length for step in (*at, self.first_shown)):
            raise DataError(f"walk {self.summary!r}: steps must rise within 0 to {self.length - 1}, got {at}")

    @property
    def length(self) -> int:
        """Steps of the chart."""
        return len(self.chart.lines[0].values)


def thin(values: FloatArray, limit: int) -> tuple[FloatArray, FloatArray]:
    """Keep the lowest and the highest value of each bucket of neighbours, in the order in which they came.

    Args:
        values: Shape ``[n]``; NaN is a gap. A gap shorter than its bucket closes.
        limit: Most points to keep, at least 2; up to that many points come back untouched.

    Returns:
        Positions in ``values`` and the values there, both ``[kept]``.
    """
    n = len(values)
    if n <= limit:
        return np.arange(n, dtype=np.float64), values
    width = -(-n // (limit // 2))
    buckets = -(-n // width)
    padded = np.full(buckets * width, np.nan)
    padded[:n] = values
    table = padded.reshape(buckets, width)
    empty = np.isnan(table).all(axis=1)
    low = np.where(empty, 0, np.where(np.isnan(table), np.inf, table).argmin(axis=1))
    high = np.where(empty, 0, np.where(np.isnan(table), -np.inf, table).argmax(axis=1))
    first, last = np.minimum(low, high), np.maximum(low, high)
    inside = np.stack([first, last], axis=1)
    keep = np.stack([np.ones(buckets, dtype=bool), first != last], axis=1)
    at = (np.arange(buckets)[:, None] * width + inside)[keep]
    return at.astype(np.float64), padded[at]


def _require_shape(title: str, name: str, values: FloatArray, shape: tuple[int, ...]) -> None:
    if values.shape != shape:
        raise DataError(f"chart {title!r}, {name!r}: values must have shape {list(shape)}, got {list(values.shape)}")
