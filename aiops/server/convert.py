"""Wire to domain and back: with ``servicer``, the only part of the server that sees ``aiops.api``."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import Any

import numpy as np
from google.protobuf.duration_pb2 import Duration
from google.protobuf.timestamp_pb2 import Timestamp

from aiops.alerting import alert
from aiops.api.v1 import forecasting_pb2, scoring_pb2, series_pb2
from aiops.errors import DataError
from aiops.forecasting.fleet.exhaustion import INTERVAL, WINDOWS, Exhaustion
from aiops.ports import LimitQuery
from aiops.series import SeriesKey
from aiops.usecases.live_calls import (
    ForecastAnswer,
    ForecastQuery,
    PathAnswer,
    PointBatch,
    ScoredBatch,
    Skipped,
    WindowAnswer,
)

MOST_POINTS = 10_000
"""Points that one batch may hold: scoring them takes about as long as a caller should have to wait for others."""

_FIRST_MILLISECONDS = 31_536_000_000  # the end of 1970: what lies before it was counted in seconds
_LAST_MILLISECONDS = 253_402_300_799_999  # the end of the year 9999: what a datetime can hold
_INTERNED_KEYS = 65_536

_OUTCOMES = {
    Skipped.NO: scoring_pb2.POINT_OUTCOME_SCORED,
    Skipped.DUPLICATE: scoring_pb2.POINT_OUTCOME_DUPLICATE,
    Skipped.LATE: scoring_pb2.POINT_OUTCOME_LATE,
}
_OUTCOME = np.array([_OUTCOMES[each] for each in Skipped], dtype=np.int32)
_STATUSES = {
    alert.Status.FIRING: scoring_pb2.ALERT_STATUS_FIRING,
    alert.Status.RESOLVED: scoring_pb2.ALERT_STATUS_RESOLVED,
}
_SEVERITIES = {
    alert.Severity.TICKET: scoring_pb2.SEVERITY_TICKET,
    alert.Severity.PAGE: scoring_pb2.SEVERITY_PAGE,
}


def points(request: scoring_pb2.ScoreRequest) -> PointBatch:
    """Read a batch.

    Raises:
        DataError: If it cannot be one; names the column.
    """
    values, milliseconds = request.value[:], request.timestamp_ms[:]
    if len(values) > MOST_POINTS:
        raise DataError(f"a batch holds {MOST_POINTS} points at most, got {len(values)}: send several")
    if milliseconds and not (min(milliseconds) >= _FIRST_MILLISECONDS and max(milliseconds) <= _LAST_MILLISECONDS):
        raise DataError(
            f"timestamp_ms counts milliseconds since 1970, got {min(milliseconds)} to {max(milliseconds)}: is it "
            "another unit?"
        )
    return PointBatch(
        keys=tuple([_interned(each.SerializeToString()) for each in request.series]),
        series=np.array(request.series_index[:], dtype=np.int64),
        at=np.array([each / 1000 for each in milliseconds]),
        values=np.array(values, dtype=np.float64),
    )


@lru_cache(maxsize=_INTERNED_KEYS)
def _interned(key: bytes) -> SeriesKey:
    """Read a key once and not in every batch; an error is not kept."""
    return series_key(series_pb2.SeriesKey.FromString(key))


def series_key(key: series_pb2.SeriesKey) -> SeriesKey:
    """Read a key.

    Raises:
        DataError: If it has neither name nor labels.
    """
    return SeriesKey.of(key.name, dict(key.labels))


def scored(batch: ScoredBatch) -> scoring_pb2.ScoreResponse:
    """Write what became of a batch; lists, because protobuf takes them several times as fast as arrays."""
    return scoring_pb2.ScoreResponse(
        score=batch.score.tolist(),
        expected=batch.expected.tolist(),
        lower=batch.lower.tolist(),
        upper=batch.upper.tolist(),
        detector_index=batch.detector.tolist(),
        warming_up=batch.warming_up.tolist(),
        detectors=batch.detectors,
        changes=[_alert(each) for each in batch.changes],
        outcome=_OUTCOME[batch.skipped].tolist(),
    )


def _alert(told: alert.Alert) -> scoring_pb2.Alert:
    return scoring_pb2.Alert(
        fingerprint=told.fingerprint,
        status=_STATUSES[told.status],
        severity=_SEVERITIES[told.severity],
        starts_at=told.starts_at,
        ends_at=told.ends_at,
        labels=told.labels,
        annotations=told.annotations,
    )


def forecast_query(request: forecasting_pb2.ForecastRequest) -> ForecastQuery:
    """Read what is asked about the future; what the request leaves out is as ``ForecastQuery`` has it.

    Raises:
        DataError: If it cannot be asked; names the field.
    """
    given: dict[str, Any] = {}
    if request.HasField("step"):
        given["step"] = _length("step", request.step)
    if request.HasField("history"):
        given["history"] = _length("history", request.history)
    if request.HasField("now"):
        given["now"] = _instant("now", request.now)
    if request.window_model:
        given["window_model"] = request.window_model
    if request.levels:
        given["levels"] = tuple(request.levels)
    return ForecastQuery(
        query=request.query,
        series=series_key(request.series) if request.HasField("series") else None,
        horizon=_length("horizon", request.horizon),
        window=_length("window", request.window),
        **given,
    )


def forecast_answer(answer: ForecastAnswer) -> forecasting_pb2.ForecastResponse:
    """Write what is known of the future; a path and a window that nobody asked for are absent."""
    written = forecasting_pb2.ForecastResponse(
        key=_key(answer.key),
        cutoff=answer.cutoff,
        data_age=answer.data_age,
    )
    if answer.path is not None:
        written.path.CopyFrom(_path(answer.path))
    elif answer.path_reason:
        written.no_path_reason = answer.path_reason
    if answer.window_maximum is not None:
        written.window_maximum.CopyFrom(_window(answer.window_maximum))
    elif answer.window_reason:
        written.no_window_reason = answer.window_reason
    return written


def limit_query(request: forecasting_pb2.ExhaustionRequest) -> tuple[LimitQuery, datetime | None]:
    """Read which limit is asked about, and at which instant; None for now.

    Raises:
        DataError: If it cannot be asked; names the field.
    """
    given: dict[str, Any] = {}
    if request.HasField("history"):
        given["history"] = _length("history", request.history)
    return LimitQuery(
        query=request.query,
        step=_length("step", request.step) if request.HasField("step") else timedelta(minutes=1),
        limit=request.limit,
        **given,
    ), _instant("now", request.now) if request.HasField("now") else None


def exhaustion_answer(key: SeriesKey, found: Exhaustion) -> forecasting_pb2.ExhaustionResponse:
    """Write how likely and when a limit is reached."""
    return forecasting_pb2.ExhaustionResponse(
        key=_key(key),
        within=[
            forecasting_pb2.ChanceWithin(window=window, chance=chance)
            for window, chance in zip(WINDOWS, found.chances, strict=True)
        ],
        reached=[
            forecasting_pb2.ReachedBy(chance=chance, at=at) for chance, at in zip(INTERVAL, found.dates, strict=True)
        ],
    )


def _path(answer: PathAnswer) -> forecasting_pb2.Path:
    made = answer.forecast
    return forecasting_pb2.Path(
        start=made.start,
        step=made.step,
        mean=made.mean[0].tolist(),
        levels=made.levels.tolist(),
        values=made.values[0].ravel().tolist(),
        model=series_pb2.Model(name=answer.model, version=answer.version, digest=answer.digest, recipe=answer.recipe),
        cutoff=answer.cutoff,
    )


def _window(answer: WindowAnswer) -> forecasting_pb2.WindowMaximum:
    return forecasting_pb2.WindowMaximum(
        levels=answer.levels.tolist(), values=answer.values.tolist(), model=series_pb2.Model(name=answer.model)
    )


def _key(key: SeriesKey) -> series_pb2.SeriesKey:
    return series_pb2.SeriesKey(name=key.name, labels=dict(key.labels))


def _length(name: str, given: Duration) -> timedelta:
    try:
        return given.ToTimedelta()
    except (ValueError, OverflowError):
        raise DataError(f"{name} is no length of time: {given.seconds} s and {given.nanos} ns") from None


def _instant(name: str, given: Timestamp) -> datetime:
    try:
        return given.ToDatetime(tzinfo=UTC)
    except (ValueError, OverflowError):
        raise DataError(f"{name} is no instant: {given.seconds} s and {given.nanos} ns since 1970") from None
