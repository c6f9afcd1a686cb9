"""A forecast in the order of the watched series."""

from datetime import UTC, datetime, timedelta

import numpy as np

from aiops.detection.band import Band
from aiops.forecasting.forecast import Forecast
from aiops.series import SeriesKey

CUTOFF = datetime(2026, 3, 2, tzinfo=UTC)
MINUTE = timedelta(minutes=1)
A, B, C = SeriesKey("a"), SeriesKey("b"), SeriesKey("c")


def forecast(levels: list[float]) -> Forecast:
    values = np.arange(2 * len(levels) * 3, dtype=float).reshape(2, len(levels), 3)
    return Forecast(
        keys=(B, C),
        cutoff=CUTOFF,
        step=MINUTE,
        mean=np.full((2, 3), 99.0),
        levels=np.array(levels),
        values=np.sort(values, axis=1),
        units=("", ""),
        models=("ets", "naive"),
    )


def test_rows_are_those_of_the_watched_series_and_the_rest_is_unknown():
    band = Band.of(forecast([0.05, 0.5, 0.95]), {A: 0, B: 1})
    assert band.models == ("", "ets")
    assert (band.start, band.end) == (CUTOFF + MINUTE, CUTOFF + 4 * MINUTE)
    at = band.at(CUTOFF + 2 * MINUTE)
    assert np.isnan(at[:, 0]).all()
    assert at[:, 1].tolist() == [4.0, 1.0, 7.0], "median, lowest, highest of the second step"


def test_the_mean_stands_in_for_a_missing_median():
    band = Band.of(forecast([0.1, 0.9]), {B: 0})
    assert band.at(CUTOFF + MINUTE)[:, 0].tolist() == [99.0, 0.0, 3.0]
