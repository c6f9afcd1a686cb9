"""The champion's bands by row and step, against the forecasts themselves."""

from datetime import UTC, datetime, timedelta

import numpy as np
import pytest

from aiops.detection.band_table import Bands, BandTable
from aiops.forecasting.bundle import LEVELS
from aiops.series import SeriesKey
from tests.usecases.bundles import MINUTE, bundle

CUTOFF = datetime(2026, 3, 2, 12, tzinfo=UTC)
FIRST = int(CUTOFF.timestamp() // 60) + 1
KEYS = (SeriesKey.of("requests", {"service": "a"}), SeriesKey.of("requests", {"service": "b"}))
MEAN = np.arange(1.0, 21.0).reshape(2, 10)


def table(mean=MEAN, cutoff=CUTOFF, keys=KEYS, version="v1", **more):
    return BandTable.of(bundle(keys, cutoff, mean, **more), MINUTE, version)


def both_ways(bands, rows, places):
    """Ask for all at once and one at a time: the answers must be the same."""
    together = bands.at(np.array(rows), np.array(places))
    single = [bands.at(np.array([row]), np.array([place]))[:, 0] for row, place in zip(rows, places, strict=True)]
    np.testing.assert_array_equal(together, np.array(single).T)
    return together


def test_rows_find_their_own_forecast_and_nothing_outside_of_it():
    bands = Bands()
    bands.use(table(), [KEYS[1], None, KEYS[0]])
    found = both_ways(bands, [0, 2, 1, 0, 2, 0, 2], [FIRST, FIRST + 9, FIRST, FIRST - 1, FIRST + 10, FIRST + 3, FIRST])
    expected = [MEAN[1, 0], MEAN[0, 9], np.nan, np.nan, np.nan, MEAN[1, 3], MEAN[0, 0]]
    np.testing.assert_allclose(found[0], expected)
    np.testing.assert_allclose(found[1], np.array(expected) * (0.9 + 0.2 * LEVELS[0]))
    np.testing.assert_allclose(found[2], np.array(expected) * (0.9 + 0.2 * LEVELS[-1]))
    assert bands.model(2, FIRST) == "seasonal-naive (v1)"
    assert bands.model(2, FIRST + 10) == bands.model(1, FIRST) == ""


def test_a_row_that_joins_later_or_is_used_again_is_known():
    bands = Bands()
    bands.use(table(), [KEYS[0]])
    bands.join(3, KEYS[1])
    bands.join(0, SeriesKey("stranger"))
    found = both_ways(bands, [0, 1, 2, 3], [FIRST] * 4)
    np.testing.assert_array_equal(found[0], [np.nan, np.nan, np.nan, MEAN[1, 0]])


def test_before_a_new_champion_begins_the_one_before_it_counts_and_no_third():
    bands = Bands()
    for number, late in enumerate((0, 3, 6)):
        bands.use(table(MEAN * 10.0**number, CUTOFF + late * MINUTE, version=f"v{number}"), list(KEYS))
    places = [FIRST + 2, FIRST + 3, FIRST + 5, FIRST + 6, FIRST + 15, FIRST + 16]
    found = both_ways(bands, [0] * 6, places)
    np.testing.assert_allclose(found[0], [np.nan, 10, 30, 100, 1000, np.nan])
    assert [bands.model(0, place)[-3:-1] for place in places[1:5]] == ["v1", "v1", "v2", "v2"]
    bands.use(None, list(KEYS))
    assert np.isnan(both_ways(bands, [0], [FIRST + 6])).all()


@pytest.mark.parametrize(("query", "known"), [("sum(x)", True), (" sum(x)\n", True), ("sum(y)", False), ("", False)])
def test_a_series_without_a_name_is_what_its_query_makes_of_it(query, known):
    nameless = SeriesKey.of("", {"service": "a"})
    found = table(keys=(nameless, KEYS[1]), query="sum(x)")
    assert (found.number(nameless, query) >= 0) == known
    assert found.number(KEYS[1], query) >= 0, "a metric is the same whoever reads it"


def test_forecasts_on_another_grid_are_left_out():
    coarse = bundle(KEYS, CUTOFF, MEAN, step=5 * MINUTE)
    assert BandTable.of(coarse, MINUTE, "v").index == {}
    shifted = bundle(KEYS, CUTOFF + timedelta(seconds=10), MEAN)
    assert BandTable.of(shifted, MINUTE, "v").index == {}
