"""Telemetry from the Prometheus HTTP API.

PromQL evaluated at t speaks of the time before t: ``rate(x[1m])`` covers (t - 1m, t]. Inside, a stamp is the start of
its step, so what Prometheus says at t gets the stamp t - step. A plain selector is bounded to one step for the same
reason (see ``QueryText.within``). Inside an expression such as ``sum(x)`` Prometheus 2.43 and newer follow us too;
older ones repeat a sample for five minutes there, or until a stale marker, unless the query says
``sum(last_over_time(x[1m]))`` itself. Who samples less often than the step says ``last_over_time(x[5m])``.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Iterator
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

import numpy as np
import requests
from prometheus_api_client.exceptions import PrometheusApiClientException

from aiops.adapters.prometheus_http import PrometheusHttp
from aiops.adapters.promql import QueryText, family, looks_like_counter
from aiops.errors import DataError, NoSeriesError, UpstreamRejectedError, UpstreamUnavailableError
from aiops.ports import Telemetry
from aiops.series import FloatArray, IntArray, Series, SeriesKey, epoch_seconds
from aiops.series.grid import require_step, require_utc
from aiops.series.quality import Limits, assess

if TYPE_CHECKING:
    from aiops.settings import PrometheusSettings

_MOST_POINTS_A_SERIES = 10_000  # of one request; Prometheus refuses more than 11 000
_MOST_POINTS_A_REQUEST = 1_000_000  # about 35 MB of JSON; Prometheus refuses to load more than 50 million samples
_MOST_POINTS = 200_000_000  # 1.6 GB of float64
_PROBES = 10  # instants at which the series are counted before they are fetched
_MILLISECOND = timedelta(milliseconds=1)


class PrometheusSource:
    """A MetricSource over the Prometheus HTTP API.

    Args:
        settings: How to reach it.
        limits: From where on a series is called defective; ``Limits.of_range`` if None.
    """

    def __init__(self, settings: PrometheusSettings, limits: Limits | None = None) -> None:
        self._http = PrometheusHttp(settings)
        self._settings = settings
        self._limits = limits

    async def range(self, query: str, start: datetime, end: datetime, step: timedelta) -> Telemetry:
        """Return one Series a label set, on the grid start, start + step, ... of stamps before ``end``.

        Long ranges are fetched in parts, the newest first. Should a part fail after all attempts, what is newer is
        returned, and ``skipped`` names the time that is missing; those points are NaN. Infinite values are NaN too,
        with a warning.

        Steps that have not ended are asked for as well if ``end`` is in the future: ``grid.floor`` gives an end that
        is not.

        Raises:
            DataError: If nothing matches, more series match than ``max_series``, or a counter would be read raw.
            UpstreamUnavailableError: If Prometheus did not answer, or could not now.
            UpstreamRejectedError: If it refused the query or our credentials, or is no Prometheus.
        """
        return await asyncio.to_thread(self._range, query, start, end, step)

    def _range(self, query: str, start: datetime, end: datetime, step: timedelta) -> Telemetry:
        grid = _Grid(start, end, step)
        text = QueryText.read(query)
        if text.reads_raw_values:
            self._refuse_counters(text.metrics, query)
        asked = text.within(step)
        width = self._count(query, asked, grid)
        self._refuse_size(width, query, grid)

        warnings: dict[str, None] = {}
        skipped: tuple[tuple[str, str], ...] = ()
        rows: dict[SeriesKey, FloatArray] = {}
        for first, last in grid.parts(width):
            try:
                answer = self._ask_range(asked, grid, first, last)
            except UpstreamUnavailableError as error:
                if last == grid.length:
                    raise
                missing = f"{grid.stamp(0).isoformat()} to {grid.stamp(last).isoformat()}"
                skipped = ((query, f"history is incomplete: {missing} is missing, because {error}"),)
                break
            warnings.update(dict.fromkeys(_remarks(answer)))
            for key, columns, values in _points(answer, query, grid):
                if key not in rows:
                    if text.reads_raw_values and key.name and key.name not in text.metrics:
                        self._refuse_counters([key.name], query)
                    rows[key] = np.full(grid.length, np.nan)
                rows[key][columns] = values
            self._refuse_size(len(rows), query, grid)
        if not rows:
            raise NoSeriesError(
                f"query {query!r} matches nothing from {start.isoformat()} to {end.isoformat()}: check the metric's "
                f"name, its labels and the time range at {self._http.url}/graph"
            )
        warnings.update(dict.fromkeys(_drop_infinities(rows)))
        series = tuple(
            Series(key=key, start=start, step=step, values=rows[key], unit=text.unit(key.name)) for key in sorted(rows)
        )
        limits = self._limits or Limits.of_range(step)
        return Telemetry(
            series=series,
            qualities=tuple(assess(each, now=end, limits=limits) for each in series),
            warnings=tuple(warnings),
            skipped=skipped,
        )

    def _ask_range(
        self, asked: str, grid: _Grid, first: int, last: int, within: timedelta | None = None
    ) -> dict[str, Any]:
        return self._http.ask(
            "/api/v1/query_range",
            {
                "query": asked,
                "start": f"{grid.known(first):.3f}",
                "end": f"{grid.known(last - 1):.3f}",
                "step": f"{grid.step_seconds:.3f}",
                "timeout": f"{self._settings.timeout.total_seconds():.3f}",
                "lookback_delta": f"{(within or grid.step).total_seconds():.3f}",  # Prometheus 2.43; ignored before
            },
        )

    def _count(self, query: str, asked: str, grid: _Grid) -> int:
        """Return about how many series match: the most at a few instants spread over the range; at least 1."""
        probe = _Grid(grid.stamp(0), grid.end, grid.step * max(grid.length // _PROBES, 1))
        try:
            # On lines of its own, so that a comment at its end does no harm.
            answer = self._ask_range(f"count(\n{asked}\n)", probe, 0, probe.length, grid.step)
        except UpstreamRejectedError:
            # Wrong in itself, or a number, which cannot be counted: ask for what the user wrote.
            self._http.ask("/api/v1/query", {"query": query})
            return 1
        return round(max((row["values"][:, 1].max() for row in answer["data"]["result"]), default=1.0))

    def _refuse_size(self, count: int, query: str, grid: _Grid) -> None:
        most = self._settings.max_series
        if count > most:
            raise DataError(
                f"query {query!r} matches {count} series, more than the {most} of AIOPS_PROMETHEUS__MAX_SERIES: add "
                f"label matchers, or aggregate with sum by (...)"
            )
        if count * grid.length > _MOST_POINTS:
            raise DataError(
                f"query {query!r} asks for {count} series of {grid.length} points, more than {_MOST_POINTS} in all: "
                f"ask for fewer series, a shorter range or a longer step"
            )

    def _refuse_counters(self, metrics: Iterable[str], query: str) -> None:
        for metric in metrics:
            if self._is_counter(metric):
                raise DataError(
                    f"query {query!r} reads the counter {metric} as it is, a number that only grows: ask for "
                    f"rate({metric}[1m]). If it is no counter, say so with last_over_time({metric}[1m])"
                )

    def _is_counter(self, metric: str) -> bool:
        """Return what Prometheus' metadata say, or the name where they say nothing."""
        try:
            known = self._http.client.get_metric_metadata(family(metric)) or self._http.client.get_metric_metadata(
                metric
            )
            kinds = {entry["type"] for entry in known} - {"unknown", "untyped"}
        except (PrometheusApiClientException, requests.RequestException, ValueError, KeyError, AttributeError):
            kinds = set()  # optional knowledge; a server that is really down says so at the next request
        if not kinds:
            return looks_like_counter(metric)
        return bool(kinds & {"counter", "histogram", "summary"})


class _Grid:
    """The stamps start, start + step, ... before ``end``, and the instants at which Prometheus is asked for them."""

    def __init__(self, start: datetime, end: datetime, step: timedelta) -> None:
        require_utc(start, "start")
        require_utc(end, "end")
        require_step(step)
        if end <= start:
            raise DataError(f"the range is empty: start {start.isoformat()} is not before end {end.isoformat()}")
        if step % _MILLISECOND or timedelta(microseconds=start.microsecond) % _MILLISECOND:
            raise DataError(f"Prometheus counts in milliseconds: start {start.isoformat()} or step {step} is finer")
        self._start = start
        self.end = end
        self.step = step
        self.step_seconds = step.total_seconds()
        self.length = -((start - end) // step)

    def stamp(self, column: int) -> datetime:
        return self._start + column * self.step

    def known(self, column: int) -> float:
        """Return when the value of a column is known, in seconds since the epoch."""
        return epoch_seconds(self.stamp(column + 1))

    def parts(self, width: int) -> Iterator[tuple[int, int]]:
        """Yield (first, last) columns of one request each, ``first <= column < last``, the newest first."""
        size = min(max(_MOST_POINTS_A_REQUEST // width, 1), _MOST_POINTS_A_SERIES)
        for last in range(self.length, 0, -size):
            yield max(last - size, 0), last


def _points(answer: dict[str, Any], query: str, grid: _Grid) -> Iterator[tuple[SeriesKey, IntArray, FloatArray]]:
    """Yield the key, the columns and the values of each series in an answer."""
    if answer["data"].get("resultType") != "matrix":
        raise UpstreamRejectedError(f"query {query!r} returns a {answer['data'].get('resultType')} and no time series")
    for row in answer["data"]["result"]:
        if "values" not in row:
            raise DataError(f"query {query!r} returns native histograms: take a number of them, as histogram_quantile")
        pairs = row["values"]
        columns = np.rint((pairs[:, 0] - grid.known(0)) / grid.step_seconds).astype(np.int64)
        yield SeriesKey.of("", row["metric"] or {"query": query}), columns, pairs[:, 1]


def _remarks(answer: dict[str, Any]) -> list[str]:
    return [f"Prometheus says: {remark}" for kind in ("warnings", "infos") for remark in answer.get(kind) or ()]


def _drop_infinities(rows: dict[SeriesKey, FloatArray]) -> Iterator[str]:
    dropped = {}
    for key, values in rows.items():
        infinite = np.isinf(values)
        if infinite.any():
            values[infinite] = np.nan
            dropped[key] = int(infinite.sum())
    if dropped:
        first = min(dropped)
        yield f"{len(dropped)} series hold infinite values, read as missing: {first} has {dropped[first]} of them"
