"""A folder on stage: moved by whole weeks, and found again by its query."""

from datetime import UTC, datetime, timedelta

import numpy as np
import pytest

from aiops.demo.cast import LOADED, from_folder
from aiops.errors import DataError
from aiops.ports import Telemetry
from aiops.series import Series, SeriesKey
from aiops.series.quality import assess
from aiops.wiring import Reading

END = datetime(2026, 6, 3, 12, 34, 56, tzinfo=UTC)
MINUTE = timedelta(minutes=1)


def reading(*keys, days=5):
    start = datetime(2024, 1, 1, 0, 0, 20, tzinfo=UTC)  # a Monday, twenty seconds off the minute
    values = np.arange(days * 1440, dtype=np.float64)
    found = tuple(Series(key=key, start=start, step=MINUTE, values=values) for key in keys)
    telemetry = Telemetry(series=found, qualities=tuple(assess(each) for each in found))
    return Reading(telemetry=telemetry, metadata={})


def test_a_folder_is_moved_by_whole_weeks_onto_whole_minutes():
    frame = from_folder(reading(SeriesKey("load")), "traces", END).frame

    assert END - timedelta(weeks=1) < frame.end <= END
    assert frame.start.weekday() == 0
    assert (frame.start.hour, frame.start.minute, frame.start.second) == (0, 0, 0)


def test_the_query_of_the_scaled_series_quotes_what_its_id_holds():
    key = SeriesKey.of("requests", {"path": '/a "b"\\c'})

    cast = from_folder(reading(key), "traces", END)

    assert SeriesKey.parse(cast.scaled_query) == SeriesKey.of(LOADED, {"series_id": key.series_id})


def test_a_day_is_too_short():
    with pytest.raises(DataError, match="no series is 4 days long"):
        from_folder(reading(SeriesKey("load"), days=1), "traces", END)
