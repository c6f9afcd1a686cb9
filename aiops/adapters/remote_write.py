"""Loads history into Prometheus: remote write 1.0, as Prometheus itself sends it.

Reference:
    https://prometheus.io/docs/specs/prw/remote_write_spec/
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

import cramjam
import numpy as np

from aiops.adapters.prometheus_http import PrometheusHttp
from aiops.api.remote_write.v1.remote_write_pb2 import Label, Sample, WriteRequest
from aiops.errors import DataError, UpstreamError, UpstreamRejectedError, UpstreamUnavailableError
from aiops.series import Series, epoch_seconds

if TYPE_CHECKING:
    from aiops.settings import PrometheusSettings

_SAMPLES_A_REQUEST = 20_000
_SERIES_A_REQUEST = 5_000
_NAME = re.compile(r"[a-zA-Z_:][a-zA-Z0-9_:]*")
_LABEL_NAME = re.compile(r"[a-zA-Z_][a-zA-Z0-9_]*")
_TOO_OLD = re.compile(r"out of (bounds|order)|too old", re.IGNORECASE)
_HEADERS = {
    "Content-Encoding": "snappy",
    "Content-Type": "application/x-protobuf",
    "X-Prometheus-Remote-Write-Version": "0.1.0",
}


class RemoteWriter:
    """Writes series so that PrometheusSource reads the very same ones back.

    Prometheus must run with ``--web.enable-remote-write-receiver``, and with ``out_of_order_time_window`` in its
    configuration for samples older than its newest ones.
    """

    def __init__(self, settings: PrometheusSettings) -> None:
        self._http = PrometheusHttp(settings)

    def write(self, series: Sequence[Series], progress: Callable[[int], None] | None = None) -> int:
        """Write every point but the missing ones, each at the instant when it is known: its stamp plus one step.

        Blocking: in a coroutine, call it through ``asyncio.to_thread``. All series advance together in time, which is
        how a server stores them fastest. Writing the same again does no harm.

        Args:
            progress: Told the number of samples of each request that was accepted.

        Returns:
            How many samples were written.

        Raises:
            DataError: If Prometheus cannot hold a key: no name, or a name that is none there.
            UpstreamUnavailableError: If it did not answer; what was written before stays.
            UpstreamRejectedError: If it refused a sample, most often as too old.
        """
        for each in series:
            _require_writable(each)
        written = 0
        for first in range(0, len(series), _SERIES_A_REQUEST):
            written += self._write_together(series[first : first + _SERIES_A_REQUEST], progress)
        return written

    def _write_together(self, series: Sequence[Series], progress: Callable[[int], None] | None) -> int:
        known = [_known_milliseconds(each) for each in series]
        slice_milliseconds = max(_SAMPLES_A_REQUEST // len(series), 1) * min(
            round(each.step.total_seconds() * 1000) for each in series
        )
        begin = min((int(times[0]) for times in known if len(times)), default=0)
        end = max((int(times[-1]) for times in known if len(times)), default=-1)
        written = 0
        for low in range(begin, end + 1, slice_milliseconds):
            request, count = WriteRequest(), 0
            for each, times in zip(series, known, strict=True):
                count += _add(request, each, times, low, low + slice_milliseconds)
            if count:
                self._send(request)
                written += count
                if progress is not None:
                    progress(count)
        return written

    def _send(self, request: WriteRequest) -> None:
        body = bytes(cramjam.snappy.compress_raw(request.SerializeToString()))
        try:
            self._http.post("/api/v1/write", body, _HEADERS)
        except UpstreamError as error:
            if _TOO_OLD.search(str(error)):  # Prometheus 2.42 answers 500 to this, newer ones 400
                raise UpstreamRejectedError(
                    f"{error}. Raise storage.tsdb.out_of_order_time_window in its configuration, or write newer samples"
                ) from error
            if isinstance(error, UpstreamUnavailableError):
                raise
            raise UpstreamRejectedError(
                f"{error}. To accept samples, Prometheus runs with --web.enable-remote-write-receiver"
            ) from error


def _known_milliseconds(series: Series) -> np.ndarray:
    """Return when each value is known, in milliseconds since the epoch, shape ``[n]``."""
    first = round(epoch_seconds(series.start + series.step) * 1000)
    return first + np.arange(len(series), dtype=np.int64) * round(series.step.total_seconds() * 1000)


def _add(request: WriteRequest, series: Series, times: np.ndarray, low: int, high: int) -> int:
    """Add the points with ``low <= known < high``; return how many."""
    first, last = np.searchsorted(times, [low, high])
    values = series.values[first:last]
    there = ~np.isnan(values)
    if not there.any():
        return 0
    labels = sorted([("__name__", series.key.name), *series.key.labels])
    row = request.timeseries.add(labels=[Label(name=name, value=value) for name, value in labels])
    row.samples.extend(
        Sample(value=value, timestamp=at)
        for value, at in zip(values[there].tolist(), times[first:last][there].tolist(), strict=True)
    )
    return int(there.sum())


def _require_writable(series: Series) -> None:
    if not _NAME.fullmatch(series.key.name):
        raise DataError(
            f"series {series.key.series_id!r}: Prometheus takes metric names of letters, digits, _ and : only; put "
            f"{series.key.name!r} into a label and give it such a name"
        )
    for label, value in series.key.labels:
        if not _LABEL_NAME.fullmatch(label) or not value:
            raise DataError(f"series {series.key.series_id!r}: Prometheus cannot hold the label {label!r}={value!r}")
    if series.step.microseconds % 1000 or series.start.microsecond % 1000:
        raise DataError(f"series {series.key.series_id!r}: Prometheus counts in milliseconds, its grid is finer")
