"""``aiops inspect``: what a source holds, and whether it can be trusted."""

from __future__ import annotations

from datetime import timedelta

from aiops.cli.options import (
    EndOption,
    FormatOption,
    HistoryOption,
    OutputOption,
    QueryOption,
    SourceOption,
    StepOption,
)
from aiops.cli.output import Format, end_partially, require_apart, write_table


def inspect(
    source: SourceOption,
    query: QueryOption = None,
    history: HistoryOption = timedelta(days=28),
    step: StepOption = timedelta(minutes=1),
    end: EndOption = None,
    form: FormatOption = Format.TABLE,
    output: OutputOption = None,
) -> None:
    """Example: `aiops inspect --source http://localhost:9090 --query 'rate(http_requests_total[1m])'`

    List the series of a source with a verdict on each: span, gaps, duplicates, constant, too short, stale.
    """
    from aiops import wiring
    from aiops.adapters.clock import SystemClock

    require_apart([source], output)
    request = wiring.Request(source=source, query=query, history=history, step=step, end=end)
    telemetry = wiring.read(request, wiring.settings(), SystemClock()).telemetry
    rows = [
        {
            "series_id": series.key.series_id,
            "unit": series.unit,
            "step": series.step,
            "start": series.start,
            "last": quality.last_seen,
            "points": quality.points,
            "gap_ratio": quality.gap_ratio,
            "duplicates": quality.duplicates,
            "verdict": ", ".join(quality.defects) or "good",
        }
        for series, quality in zip(telemetry.series, telemetry.qualities, strict=True)
    ]
    write_table(rows, form, output, title=f"{len(rows)} series in {source}")
    end_partially(telemetry.skipped, telemetry.warnings)
