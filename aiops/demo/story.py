"""What ``aiops demo`` tells: weeks of history, a forecast, the last hours as they happen, on a real Prometheus.

Every step goes through the code that serves: history is written to Prometheus and read back, each minute is written,
polled, scored and decided on, with a simulated clock in place of the wall's. Only the pods are simulated.
"""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from datetime import datetime, timedelta

import numpy as np
from rich.console import Console
from rich.markup import escape

from aiops.adapters.clock import SimulatedClock
from aiops.adapters.local_forecasts import LocalForecasts
from aiops.adapters.prometheus import PrometheusSource
from aiops.adapters.remote_write import RemoteWriter
from aiops.alerting.alert import Alert, Severity, Status
from aiops.alerting.rules import AlertRule
from aiops.backtest.hpa import Hpa
from aiops.backtest.outcome import ScalingOutcome, Turn
from aiops.demo.cast import Cast
from aiops.demo.target import SimulatedTarget
from aiops.detection.catalog import detector
from aiops.detection.scorer import Scorer
from aiops.errors import DataError, UpstreamRejectedError
from aiops.forecasting.accuracy import mean_of_known
from aiops.forecasting.catalog import path_forecaster
from aiops.forecasting.forecast import Forecast
from aiops.scaling.capacity import replicas_for
from aiops.scaling.policy import Bounds, ForecastRules, Load, Mode, ScalingPolicy
from aiops.scaling.state import ScalingState
from aiops.series import FloatArray, Frame
from aiops.settings import PrometheusSettings
from aiops.usecases import scale
from aiops.usecases.score import Scoring

_DAY = timedelta(days=1)
_BAND_LEVELS = np.array([0.005, 0.5, 0.995])
_BAND_DAYS = 20  # past forecasts from which the detectors learn how far forecasts are usually off
_SHORTEST = 2  # days of history before a forecast
_HPA_TARGET = 0.7
_FIRST_DECISIONS = 6
_MODEL = "fleet"
_DETECTOR = "fleet"  # alone it finds more than beside others: see benchmarks/detection


@dataclass(slots=True, kw_only=True)
class Ending:
    """Everything that happened, for the report.

    Attributes:
        history: What was read back from Prometheus before the stream.
        streamed: What was streamed.
        band: The forecast that the stream was scored against.
        alerts: Alerts in the order in which they changed.
        scores: Calibrated scores, shape ``[n_series, n_streamed]``.
        turns: Scaling decisions.
        ours: The scaled workload with the forecast as a floor under the HPA.
        plain: The same under the plain HPA.
    """

    history: Frame
    streamed: Frame
    band: Forecast
    alerts: list[Alert] = field(default_factory=list)
    scores: FloatArray
    turns: list[Turn] = field(default_factory=list)
    ours: ScalingOutcome
    plain: ScalingOutcome


async def tell(cast: Cast, hours: int, prometheus: PrometheusSettings, console: Console, began: float) -> Ending:
    """Run the whole loop and say what happens.

    Args:
        cast: What it runs on.
        hours: How much of the end is streamed.
        prometheus: An empty Prometheus that accepts remote writes.
        console: Where it is told.
        began: ``time.monotonic()`` of the start, for the times that are told.

    Raises:
        DataError: If the history is too short for the stream.
        UpstreamError: If Prometheus does not answer, or holds data of its own.
    """
    frame = cast.frame
    minutes = timedelta(hours=hours) // frame.step
    if frame.length < minutes + 3 * _DAY // frame.step:
        raise DataError(f"{cast.origin}: {hours} h to stream need three days of history before them; give --hours less")
    source, writer = PrometheusSource(prometheus), RemoteWriter(prometheus)
    await _require_empty(source, prometheus, frame.end)
    past, future = frame.columns(0, frame.length - minutes), frame.columns(frame.length - minutes, frame.length)

    _chapter(console, began, f"History: {cast.origin}")
    written = writer.write(list(past.rows()))
    console.print(f"  {written:,} samples of {len(past.keys)} series written to Prometheus {prometheus.url}")
    telemetry = await source.range(cast.query, past.start, past.end, past.step)
    history = Frame.of(telemetry.series)
    for series, quality in zip(telemetry.series, telemetry.qualities, strict=True):
        verdict = ", ".join(quality.defects) or "good"
        missing = f"{quality.gap_ratio:.2%} missing"
        console.print(f"  [dim]{escape(series.key.series_id)}: {quality.points:,} points, {missing}: {verdict}[/]")

    _chapter(console, began, "Train: each night of the past, forecast from what was known then")
    bands = _forecasts(history, future)
    for line in _nights(history, bands):
        console.print(f"  [dim]{escape(line)}[/]")
    scoring = Scoring(
        Scorer([detector(_DETECTOR)]),
        AlertRule(),
        history.keys,
        history.step,
        units=[cast.frame.units[cast.frame.keys.index(key)] for key in history.keys],
    )
    for band in bands:
        scoring.use(band)
    # Detectors learn where there was a forecast: how odd a point looks without one is another matter.
    first = (bands[0].start - history.start) // history.step
    for _ in scoring.warm_up(history.columns(first, history.length)):
        pass

    _chapter(console, began, f"Stream: the last {hours} h, minute by minute, faster than they happened")
    return await _stream(cast, history, future, bands[-1], scoring, source, writer, console, began)


async def _stream(
    cast: Cast,
    history: Frame,
    future: Frame,
    band: Forecast,
    scoring: Scoring,
    source: PrometheusSource,
    writer: RemoteWriter,
    console: Console,
    began: float,
) -> Ending:
    demand = future.row(future.keys.index(cast.scaled))
    before = history.row(history.keys.index(cast.scaled)).values
    first = max(replicas_for(float(before[~np.isnan(before)][-1]), cast.capacity_per_replica), 1)
    target = SimulatedTarget(demand, cast.capacity_per_replica, Hpa(target=_HPA_TARGET), first)
    policy = policy_for(cast)
    asked = scale.DemandQuery(query=cast.scaled_query, step=future.step, history=timedelta(days=7))
    forecasts = LocalForecasts(source)
    clock, state = SimulatedClock(future.start), ScalingState()
    scores = np.zeros((len(history.keys), future.length))
    alerts: list[Alert] = []
    turns: list[Turn] = []
    told = 0
    for column in range(future.length):
        turn = await scale.scale(source, target, forecasts, policy, asked, state, clock.now())
        state = turn.state
        turns.append(Turn(turn.at, turn.decision))
        if turn.decision.desired != turn.decision.current and told < _FIRST_DECISIONS:
            told += 1
            console.print(f"  [cyan]scale[/]  {_clock(turn.at)}  floor {escape(turn.decision.message)}")
        target.advance(future.step)
        writer.write(list(future.columns(column, column + 1).rows()))
        clock.advance(future.step)
        async for scored in scoring.follow(source, cast.query, clock, until=clock.now()):
            scores[:, column] = [score.value for score in scored.scores]
            for alert in scored.changes:
                _tell_alert(console, alert, began, first=not alerts)
                alerts.append(alert)
    ours, plain = target.outcomes()
    return Ending(
        history=history, streamed=future, band=band, alerts=alerts, scores=scores, turns=turns, ours=ours, plain=plain
    )


def policy_for(cast: Cast) -> ScalingPolicy:
    """Return the policy of the demo: the floor is the 95 % quantile of the next four minutes' highest demand."""
    return ScalingPolicy(
        mode=Mode.FLOOR,
        bounds=Bounds(min_replicas=1, max_replicas=1000),
        load=Load(capacity_per_replica=cast.capacity_per_replica),
        forecast=ForecastRules(model="holt-winters", level=0.95),
    )


def _forecasts(history: Frame, future: Frame) -> list[Forecast]:
    """Forecast each of the last days from what was known at its begin, and then the stream."""
    model = path_forecaster(_MODEL)
    day = _DAY // history.step
    ends = [history.length - back * day for back in range(_BAND_DAYS, 0, -1)]
    past = [model.forecast(history.columns(0, end), day, _BAND_LEVELS) for end in ends if end >= _SHORTEST * day]
    return [*past, model.forecast(history, max(future.length, day), _BAND_LEVELS)]


def _nights(history: Frame, bands: list[Forecast]) -> list[str]:
    """Say of each series how past forecasts did: against the same time of the day before, and how often the band held.

    Args:
        bands: The last one is of the future.
    """
    ours, yesterday, inside = [], [], []
    for band in bands[:-1]:
        first = (band.start - history.start) // history.step
        day = band.mean.shape[1]
        truth = history.values[:, first : first + day]
        ours.append(np.abs(truth - band.mean))
        yesterday.append(np.abs(truth - history.values[:, first - day : first]))
        within = (band.values[:, 0] <= truth) & (truth <= band.values[:, -1])
        inside.append(np.where(np.isnan(truth), np.nan, within))
    lines = []
    for row, (key, model) in enumerate(zip(bands[-1].keys, bands[-1].models, strict=True)):
        error, naive, held = (
            mean_of_known(np.concatenate([night[row] for night in nights])) if nights else np.nan
            for nights in (ours, yesterday, inside)
        )
        measured = f"{error / naive:.2f} of the error of 'as yesterday'" if error > 0 and naive > 0 else "no past error"
        held_text = "" if np.isnan(held) else f", {held:.1%} within the 99 % band"
        lines.append(f"{key.series_id}: {model or 'no forecast'}, {len(ours)} nights: {measured}{held_text}")
    return lines


async def _require_empty(source: PrometheusSource, prometheus: PrometheusSettings, now: datetime) -> None:
    minute = timedelta(minutes=1)
    try:
        await source.range('count({__name__=~".+"})', now - minute, now, minute)
    except DataError:
        return  # nothing matches: it is empty
    raise UpstreamRejectedError(
        f"the Prometheus at {prometheus.url} holds data already, and the demo writes made-up series: "
        "`make demo` starts an empty one"
    )


def _tell_alert(console: Console, alert: Alert, began: float, *, first: bool) -> None:
    words = alert.annotations
    at = alert.ends_at or alert.starts_at
    if alert.status is Status.RESOLVED:
        console.print(f"  [green]ok[/]     {_clock(at)}  {escape(words['summary'])}")
        return
    colour = "red" if alert.severity is Severity.PAGE else "yellow"
    console.print(f"  [bold {colour}]{alert.severity:<6}[/] {_clock(at)}  {escape(words['summary'])}")
    console.print(f"         [dim]why: {escape(words['why'])}; since {words['since']}[/]")
    if first:
        console.print(
            f"         [dim](the first explained anomaly, {time.monotonic() - began:.1f} s after the start)[/]"
        )


def _chapter(console: Console, began: float, title: str) -> None:
    console.print(f"\n[bold]{escape(title)}[/] [dim]({time.monotonic() - began:.1f} s)[/]")


def _clock(at: datetime) -> str:
    return f"{at:%a %H:%M}"
