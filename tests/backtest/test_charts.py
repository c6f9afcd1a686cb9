import re
from datetime import UTC, datetime, timedelta
from xml.etree import ElementTree as Xml

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from aiops.backtest.axes import (
    Scale,
    decimals_for,
    large_number,
    linear_ticks,
    log_ticks,
    number,
    time_ticks,
)
from aiops.backtest.charts import Axis, Band, Curve, DotChart, Dots, Line, PlaneChart, TimeChart, Tone, thin
from aiops.backtest.drawing import draw, legend
from aiops.errors import DataError
from aiops.series import from_epoch

NOW = datetime(2026, 11, 21, 10, 0, tzinfo=UTC)
MINUTE = timedelta(minutes=1)
values_with_gaps = arrays(np.float64, st.integers(1, 400), elements=st.floats(-1e6, 1e6) | st.just(np.nan))


def time_chart(*lines: np.ndarray, bands: tuple[Band, ...] = (), steps: bool = False, log: bool = False) -> TimeChart:
    return TimeChart(
        title="t",
        axis=Axis(label="Demand", unit="requests/second", log=log),
        start=NOW,
        step=MINUTE,
        lines=tuple(Line(name=f"line {i}", values=each, tone=Tone.BLUE, steps=steps) for i, each in enumerate(lines)),
        bands=bands,
    )


def paths(svg: str, kind: str) -> list[str]:
    return [
        each.get("d", "") for each in Xml.fromstring(svg).iter("path") if (each.get("class") or "").startswith(kind)
    ]


def texts(svg: str) -> list[str]:
    return [each.text or "" for each in Xml.fromstring(svg).iter("text")]


@given(values_with_gaps, st.integers(2, 100))
def test_thinning_keeps_extremes_order_and_the_limit(values, limit):
    at, kept = thin(values, limit)
    assert len(at) == len(kept) <= max(limit, 2)
    assert (np.diff(at) > 0).all()
    np.testing.assert_array_equal(values[at.astype(int)], kept)
    if not np.isnan(values).all():
        assert (np.nanmin(kept), np.nanmax(kept)) == (np.nanmin(values), np.nanmax(values))


def test_few_points_are_left_alone():
    values = np.array([3.0, 1.0, np.nan, 2.0])
    at, kept = thin(values, 4)
    np.testing.assert_array_equal(at, [0, 1, 2, 3])
    np.testing.assert_array_equal(kept, values)


def test_thinning_keeps_a_long_gap():
    values = np.ones(1000)
    values[400:600] = np.nan
    at, kept = thin(values, 50)
    assert np.isnan(kept[(at > 420) & (at < 560)]).all()


def test_a_long_line_is_drawn_with_few_points():
    noisy = np.random.default_rng(0).normal(100, 10, 40_320)
    (line,) = paths(draw(time_chart(noisy), 860), "line")
    assert 1500 < line.count("L") <= 2000
    (steps,) = paths(draw(time_chart(noisy, steps=True), 860), "line")
    assert steps.count("L") <= 2000


def test_a_gap_lifts_the_pen_and_a_lone_point_stays_visible():
    (line,) = paths(draw(time_chart(np.array([1.0, 2.0, np.nan, 3.0, np.nan, 4.0, 5.0])), 860), "line")
    assert line.count("M") == 3
    assert line.count("h0") == 3


def test_a_step_holds_for_its_whole_step():
    (line,) = paths(draw(time_chart(np.array([1.0, 3.0]), steps=True), 860), "line")
    points = [tuple(map(float, pair.split())) for pair in re.findall(r"[\d.]+ [\d.]+", line)]
    (x0, y0), (x1, y1), (x2, y2), (x3, y3) = points
    assert (y0, y2) == (y1, y3)
    assert x0 < x1 == x2 < x3


def test_a_band_is_only_where_its_upper_side_is_above():
    low = np.array([5.0, 5.0, 5.0, 5.0, 5.0])
    high = np.array([4.0, 6.0, np.nan, 7.0, 8.0])
    (area,) = paths(draw(time_chart(low, bands=(Band(name="b", lower=low, upper=high, tone=Tone.RED),)), 860), "area")
    assert area.count("z") == 2
    assert not paths(draw(time_chart(low, bands=(Band(name="b", lower=high, upper=high, tone=Tone.RED),)), 860), "area")


def test_one_missed_step_among_thousands_is_still_drawn():
    low, high = np.full(40_320, 5.0), np.full(40_320, 4.0)
    high[12_345] = 9.0
    svg = draw(time_chart(low, bands=(Band(name="Missing", lower=low, upper=high, tone=Tone.RED),)), 860)
    (area,) = paths(svg, "area")
    assert area.count("z") == 1


def test_empty_and_constant_lines_make_a_chart():
    for values in (np.full(10, np.nan), np.zeros(10), np.full(10, 7.0), np.full(1, -3.0), np.zeros(0)):
        for log in (False, True):
            assert "Demand (requests/second)" in texts(draw(time_chart(values, log=log), 380))


def test_zero_and_almost_zero_sit_at_the_edge_of_a_log_axis():
    def plane(*unmet: float) -> list[str]:
        y = np.array(unmet)
        x = np.arange(1, len(y) + 1, dtype=np.float64)
        curve = Curve(name="c", x=x, y=y, tone=Tone.BLUE)
        chart = PlaneChart(title="p", x=Axis(label="x"), y=Axis(label="y", log=True), curves=(curve,))
        return texts(draw(chart, 860))

    assert "0" in plane(1.0, 0.1, 0.0)
    assert "0" not in plane(1.0, 0.1)
    assert "less" in plane(1.0, 0.1, 1e-9)


def test_curves_are_named_beside_their_ends_and_in_the_legend_of_a_phone():
    curves = tuple(
        Curve(name=name, x=np.array([1.0, 2.0]), y=np.array([2.0, 1.0]), tone=Tone.BLUE) for name in ("one", "two")
    )
    chart = PlaneChart(title="p", x=Axis(label="x"), y=Axis(label="y"), curves=curves)
    wide = [each for each in Xml.fromstring(draw(chart, 860)).iter("text") if each.text in {"one", "two"}]
    assert len(wide) == 2
    assert abs(float(wide[0].get("y", "0")) - float(wide[1].get("y", "0"))) >= 12  # the same end, and yet readable
    assert not {"one", "two"} & set(texts(draw(chart, 380)))
    assert [entry.name for entry in legend(chart)] == ["one", "two"]
    shapes = [re.search(r'point blue" d="(.*?)"', entry.swatch)[1] for entry in legend(chart)]  # type: ignore[index]
    assert shapes[0] != shapes[1]


def test_a_row_without_values_says_so():
    dots = Dots(name="d", values=np.array([[1.0, 2.0], [np.nan, np.nan]]), tone=Tone.BLUE)
    svg = draw(DotChart(title="d", axis=Axis(label="MASE"), rows=("a", "b"), dots=(dots,)), 860)
    assert "no value" in texts(svg)
    assert len(list(Xml.fromstring(svg).iter("circle"))) == 2


def test_charts_refuse_what_does_not_fit():
    with pytest.raises(DataError, match=r"'line 1': values must have shape \[3\], got \[2\]"):
        time_chart(np.zeros(3), np.zeros(2))
    with pytest.raises(DataError, match="needs at least one line"):
        time_chart()
    curve = Curve(name="c", x=np.zeros(1), y=np.zeros(1), tone=Tone.BLUE, labels=("a", "b"))
    with pytest.raises(DataError, match="2 labels, 1 points"):
        PlaneChart(title="p", x=Axis(label="x"), y=Axis(label="y"), curves=(curve,))
    with pytest.raises(DataError, match=r"values must have shape \[1, m\]"):
        DotChart(
            title="d", axis=Axis(label="x"), rows=("a",), dots=(Dots(name="n", values=np.zeros(3), tone=Tone.BLUE),)
        )


@given(st.floats(-1e9, 1e9), st.floats(1e-6, 1e9), st.integers(2, 9))
def test_linear_ticks_enclose_their_range(low, width, about):
    high = low + width
    ticks = [tick.value for tick in linear_ticks(low, high, about)]
    slack = 1e-6 * (ticks[-1] - ticks[0])
    assert (np.diff(ticks) > 0).all()
    assert ticks[0] <= low + slack
    assert ticks[-1] >= high - slack
    assert 2 <= len(ticks) <= about + 3
    if width > 1e-3 * abs(low):
        assert len({tick.text for tick in linear_ticks(low, high, about)}) == len(ticks)


@given(st.floats(1e-6, 1e6), st.floats(1.0, 1e4), st.integers(3, 8))
def test_log_ticks_enclose_their_range(low, ratio, about):
    ticks = [tick.value for tick in log_ticks(low, low * ratio, about)]
    assert ticks[0] <= low * 1.01
    assert ticks[-1] >= low * ratio * 0.99
    assert 2 <= len(ticks) <= about + 3
    assert ticks == sorted(set(ticks))


@given(st.integers(0, 2_000_000_000), st.integers(2, 400 * 1440))
def test_time_ticks_are_few_and_stand_on_whole_units(start, minutes):
    begin = from_epoch(start // 60 * 60)
    ticks = time_ticks(begin, begin + timedelta(minutes=minutes), 8)
    assert len(ticks) <= 9
    for tick in ticks:
        at = from_epoch(tick.value)
        assert begin <= at <= begin + timedelta(minutes=minutes)
        assert tick.text in {f"{at:%H:%M}", f"{at:%a}"}
        if tick.text == f"{at:%a}":
            assert (at.hour, at.minute) == (0, 0)
    if ticks:
        assert ticks[0].below  # a reader can tell which day it is


def test_a_scale_maps_ends_to_ends_and_keeps_what_is_below_a_log_axis_at_its_edge():
    assert Scale(low=10, high=20, pixels=100).at(12.5) == 25
    assert Scale(low=10, high=20, pixels=100, flipped=True).at(12.5) == 75
    log = Scale(low=0.01, high=100, pixels=400, log=True)
    np.testing.assert_allclose(log.at(np.array([0.01, 1, 100, 0, -5])), [0, 200, 400, 0, 0])
    assert np.isnan(log.at(np.nan))


@pytest.mark.parametrize(
    ("value", "text"),
    [(0, "0"), (0.1412, "0.141"), (12.0, "12"), (1234.5, "1,234"), (-0.5, "-0.5"), (1e-9, "1.00e-09"), (np.nan, "–")],
)
def test_numbers_are_short(value, text):
    assert number(value) == text


def test_large_numbers_become_words():
    assert [large_number(value) for value in (12.0, 1.234e10, -5e6)] == ["12", "12.3 billion", "-5 million"]


def test_decimals_follow_the_middle_value_of_a_column():
    assert decimals_for([0.141, 0.68, 12.3]) == 3
    assert decimals_for([1.0, 200.0]) == 0
    assert decimals_for([np.nan, 0.0]) == 0
    assert decimals_for([1e-9]) == 6
