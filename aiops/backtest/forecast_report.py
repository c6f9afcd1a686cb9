"""The report of `aiops backtest forecast`: models side by side, relative to one that anybody could use."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

import numpy as np

from aiops.backtest.axes import number
from aiops.backtest.charts import Axis, DotChart, Dots, Tone
from aiops.backtest.forecasts import SMALLEST, ForecastComparison, Summary
from aiops.backtest.report import Cell, Column, KeyFigure, Report, Section, Table
from aiops.errors import DataError
from aiops.series import FloatArray
from aiops.series.duration import duration_text

MARGIN = 0.02
"""Two models whose losses differ by less than this share count as equally good."""

COVERAGE_SLACK = 0.05
"""Intervals whose coverage is further than this from what they promise are named in the verdict."""

PROTOCOL = (
    "Rolling origins: at each origin a model sees what was known by then and forecasts the whole horizon. "
    "Nothing after the origin is used, neither for fitting nor for choosing nor for the intervals.",
    "MASE is the mean absolute error of the point forecast over the mean absolute difference to one day before, taken "
    "inside the history (Hyndman and Koehler, 2006).",
    "CRPS is twice the mean pinball loss over the levels, in the same unit; it judges the whole distribution "
    "(Gneiting and Ranjan, 2011).",
    f"Relative numbers divide a model's loss by the baseline's on the same series and the same origins, {SMALLEST:g} "
    "added to both, and take the geometric mean over series. Below 1 is better than the baseline.",
    "Seconds are wall time of one forecast of one series, calibration included, the median over series.",
)


def forecast_report(
    comparison: ForecastComparison,
    *,
    command: str,
    made_at: datetime,
    horizon: timedelta,
    skipped: Sequence[tuple[str, str]] = (),
    notes: Sequence[str] = PROTOCOL,
) -> Report:
    """Put forecasters side by side.

    Args:
        comparison: What the backtest found.
        command: What makes this report again.
        made_at: Now, UTC.
        horizon: How far the forecasts reach.
        skipped: (series id, reason) of what was left out before the backtest; its own are added.
        notes: Protocol and assumptions.

    Raises:
        DataError: If no series could be scored.
    """
    summaries = comparison.summaries()
    if not summaries:
        raise DataError("no series could be scored by the baseline and a model alike: see what was skipped, and why")
    tried = len({each.series_id for each in comparison.accuracies})
    left_out = dict.fromkeys((each.series_id, f"{each.model}: {each.reason}") for each in comparison.skipped)
    return Report(
        kind="forecast",
        title=f"Forecast backtest: {tried} series, {len(summaries)} models, {duration_text(horizon)} ahead",
        verdict=_verdict(comparison, summaries, horizon),
        command=command,
        made_at=made_at,
        figures=_figures(comparison, summaries),
        sections=(_models(comparison, summaries), _series(comparison)),
        notes=tuple(notes),
        skipped=(*skipped, *left_out),
    )


def _promised(comparison: ForecastComparison) -> float:
    return comparison.levels[-1] - comparison.levels[0]


def _verdict(comparison: ForecastComparison, summaries: Sequence[Summary], horizon: timedelta) -> str:
    best = summaries[0]
    ahead = f"{duration_text(horizon)} ahead"
    over = f"over {best.series} series" if best.series > 1 else "on the one series"
    if best.model == comparison.baseline:
        if len(summaries) == 1:
            return f"Only {best.model} was tried, {ahead} {over}: there is nothing to compare it with."
        second = summaries[1]
        return (
            f"Keep {best.model}: no model beats it {ahead} {over}; {second.model} comes next, with "
            f"{_times(second.relative_crps)} its CRPS and {_times(second.relative_mase)} its MASE."
        )
    if best.relative_crps > 1 - MARGIN:
        return (
            f"{_capital(best.model)} is hardly better than {comparison.baseline} {ahead} {over}: "
            f"{_times(best.relative_crps)} its CRPS and {_times(best.relative_mase)} its MASE."
        )
    missing = abs(best.coverage - _promised(comparison))
    intervals = (
        f"its intervals cover {number(100 * best.coverage, digits=2)} % where they promise "
        f"{number(100 * _promised(comparison), digits=2)} %"
    )
    return (
        f"{_capital(best.model)} forecasts best {ahead} {over}: {_change(best.relative_crps)} CRPS and "
        f"{_change(best.relative_mase)} error than {comparison.baseline}"
        f"{', but ' if missing > COVERAGE_SLACK else '; '}{intervals}."
    )


def _figures(comparison: ForecastComparison, summaries: Sequence[Summary]) -> tuple[KeyFigure, ...]:
    best = summaries[0]
    baseline = comparison.baseline
    return (
        KeyFigure(name=f"CRPS of {best.model}", value=best.relative_crps, unit="×", note=f"that of {baseline}"),
        KeyFigure(name="MASE", value=best.relative_mase, unit="×", note=f"that of {baseline}"),
        KeyFigure(
            name="Worse on",
            value=round(best.worse_ratio * best.series),
            unit=f"of {best.series} series",
            note=f"by MASE, than {baseline}",
        ),
        KeyFigure(
            name="Coverage",
            value=100 * best.coverage,
            unit="%",
            note=f"promised {number(100 * _promised(comparison), digits=2)} %",
        ),
        KeyFigure(name="Time a series", value=1000 * best.seconds, unit="ms", note="one forecast with its calibration"),
    )


def _models(comparison: ForecastComparison, summaries: Sequence[Summary]) -> Section:
    models = [each.model for each in summaries]
    table = Table(
        name="Models",
        columns=(
            Column(name="model", title="Model"),
            Column(name="series", title="Series"),
            Column(name="relative_crps", title="CRPS", unit="of the baseline's", decimals=3),
            Column(name="relative_mase", title="MASE", unit="of the baseline's", decimals=3),
            Column(name="relative_mase_low", title="10 % of series below", decimals=2),
            Column(name="relative_mase_high", title="10 % above", decimals=2),
            Column(name="worse_percent", title="Worse on", unit="% of series", decimals=0),
            Column(name="coverage_percent", title="Coverage", unit="%", decimals=1),
            Column(name="seconds", title="Time", unit="seconds a series"),
        ),
        rows=tuple(
            (
                each.model,
                each.series,
                each.relative_crps,
                each.relative_mase,
                each.relative_mase_low,
                each.relative_mase_high,
                100 * each.worse_ratio,
                100 * each.coverage,
                each.seconds,
            )
            for each in summaries
        ),
        text=f"The baseline is {comparison.baseline}. Best CRPS first.",
    )
    base = {each.series_id: each for each in comparison.accuracies if each.model == comparison.baseline}
    ratios = [
        [
            (each.mase + SMALLEST) / (base[each.series_id].mase + SMALLEST)
            for each in comparison.accuracies
            if each.model == model and each.series_id in base
        ]
        for model in models
    ]
    covered = [[100 * each.coverage for each in comparison.accuracies if each.model == model] for model in models]
    charts = (
        DotChart(
            title=f"Error of each series, relative to {comparison.baseline}",
            axis=Axis(label="MASE", unit=f"times that of {comparison.baseline}", log=True),
            rows=tuple(models),
            dots=(Dots(name="series", values=_table(ratios), tone=Tone.BLUE),),
            reference=1.0,
            reference_text="as good as the baseline",
            caption="Each small dot is a series, the bar holds the middle half of them, the large dot is the median. "
            "Further left is better.",
        ),
        DotChart(
            title="How often the intervals hold",
            axis=Axis(label="Coverage", unit="%"),
            rows=tuple(models),
            dots=(Dots(name="series", values=_table(covered), tone=Tone.GREEN),),
            reference=100 * _promised(comparison),
            reference_text=f"promised: {number(100 * _promised(comparison), digits=2)} %",
            caption="Left of the line a model is too sure of itself, right of it too careful.",
        ),
    )
    return Section(title="The models", charts=charts, tables=(table,))


def _series(comparison: ForecastComparison) -> Section:
    columns = (
        Column(name="series_id", title="Series"),
        Column(name="model", title="Model"),
        Column(name="origins", title="Origins"),
        Column(name="mase", title="MASE", decimals=3),
        Column(name="crps", title="CRPS", decimals=3),
        *(Column(name=f"pinball_{level:g}", title=f"Pinball {level:g}", decimals=3) for level in comparison.levels),
        Column(name="coverage_percent", title="Coverage", unit="%", decimals=1),
        Column(name="seconds", title="Time", unit="seconds"),
    )
    rows: list[tuple[Cell, ...]] = []
    rows += [
        (
            each.series_id,
            each.model,
            each.origins,
            each.mase,
            each.crps,
            *each.pinball,
            100 * each.coverage,
            each.seconds,
        )
        for each in comparison.accuracies
    ]
    table = Table(
        name="Every series and model",
        columns=columns,
        rows=tuple(rows),
        text="Losses are in mean absolute daily differences inside the history.",
    )
    return Section(title="Every series", tables=(table,))


def _table(rows: Sequence[Sequence[float]]) -> FloatArray:
    """Return rows of different lengths as one array, shape ``[n_rows, longest]``, filled up with NaN."""
    filled = np.full((len(rows), max(map(len, rows))), np.nan)
    for index, row in enumerate(rows):
        filled[index, : len(row)] = row
    return filled


def _times(ratio: float) -> str:
    return f"{number(ratio)} times"


def _change(ratio: float) -> str:
    return f"{number(100 * abs(1 - ratio), digits=2)} % {'less' if ratio <= 1 else 'more'}"


def _capital(name: str) -> str:
    return name[:1].upper() + name[1:]
