"""What a date says of a series: clocks that change, weekends of a country, holidays."""

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import numpy as np
import pytest

from aiops.errors import ConfigError
from aiops.forecasting.catalog import path_forecaster
from aiops.forecasting.fleet.calendar import Calendar
from aiops.forecasting.fleet.forecaster import Fleet
from aiops.series import Frame, SeriesKey

HOUR = timedelta(hours=1)
DAYS = 28
LEVELS = np.array([0.1, 0.5, 0.9])
BERLIN = ZoneInfo("Europe/Berlin")


def local_hours(start, count, zone=BERLIN):
    return [(start + hour * HOUR).astimezone(zone) for hour in range(count)]


def office(start, count, zone=BERLIN, closed=()):
    """Busy from 9 to 17 local time on working days, with a little noise."""
    busy = [
        9 <= at.hour < 17 and at.weekday() < 5 and (at.month, at.day) not in closed
        for at in local_hours(start, count, zone)
    ]
    return np.where(busy, 100.0, 10.0) + np.random.default_rng(0).normal(0, 0.5, count)


def worst_step(calendar, start, values, known, horizon):
    """Return the largest error of the hours ahead, and the forecast."""
    history = Frame(keys=(SeriesKey("desk"),), start=start, step=HOUR, values=values[None, :known])
    made = Fleet(calendar=calendar).forecast(history, horizon, LEVELS)
    return np.abs(made.mean[0] - values[known : known + horizon]).max(), made


# Clocks go forward at 01:00 UTC on 2026-03-29 and back at 01:00 UTC on 2026-10-25, both Sundays.
@pytest.mark.parametrize("changed", [datetime(2026, 3, 29, 1, tzinfo=UTC), datetime(2026, 10, 25, 1, tzinfo=UTC)])
@pytest.mark.parametrize("hours_before_the_change", [-30, 0, 6], ids=["day after", "at it", "before"])
def test_office_hours_stay_office_hours_when_clocks_change(changed, hours_before_the_change):
    known = DAYS * 24
    start = changed - (known + hours_before_the_change) * HOUR
    values = office(start, known + 48)
    assert worst_step(Calendar(timezone="Europe/Berlin"), start, values, known, 48)[0] < 5
    assert worst_step(Calendar(), start, values, known, 48)[0] > 50


def test_the_local_clock_ends_with_the_history_and_leads_to_every_step_ahead():
    start = datetime(2026, 10, 1, 3, tzinfo=UTC)
    values = office(start, 40 * 24)
    calendar = Calendar(timezone="Europe/Berlin", holidays="DE")
    for known in range(24 * 24 - 8, 24 * 24 + 8):  # clocks are put back in the middle of these
        clock = calendar.clock(start, HOUR, known, 24)
        local, moved = clock.read(values[:known])
        assert local[-1] == values[known - 1]
        assert len(local) == clock.length
        assert len(moved) == clock.steps
        assert (clock.ahead >= 0).all()
        assert (clock.ahead < clock.steps).all()


@pytest.mark.parametrize("eve", [datetime(2026, 5, 1, tzinfo=UTC), datetime(2026, 5, 2, tzinfo=UTC)])
def test_a_holiday_is_forecast_like_a_sunday_and_the_day_after_it_like_any_other(eve):
    """Labour day 2026 is a Friday; of the history that ends with it, it must not count as one."""
    known = DAYS * 24
    start = eve - known * HOUR
    # Easter lies in this history too, and is a holiday; so is the first of May.
    values = office(start, known + 4 * 24, closed=((4, 3), (4, 6), (5, 1)))
    horizon = 24 if eve.day == 1 else 72
    assert worst_step(Calendar(timezone="Europe/Berlin", holidays="DE"), start, values, known, horizon)[0] < 10
    if eve.day == 1:
        assert worst_step(Calendar(timezone="Europe/Berlin"), start, values, known, horizon)[0] > 50


def test_a_series_that_does_not_care_for_holidays_is_not_moved_by_them():
    known = DAYS * 24
    start = datetime(2026, 5, 1, tzinfo=UTC) - known * HOUR
    hours = np.arange(known + 24)
    values = 50 + 10 * np.sin(hours * np.pi / 12) + np.random.default_rng(1).normal(0, 1, len(hours))
    assert worst_step(Calendar(holidays="DE"), start, values, known, 24)[0] < 5


def test_the_weekend_is_the_country_s():
    clock = Calendar(holidays="SA").clock(datetime(2026, 6, 1, tzinfo=UTC), HOUR, 24, 6 * 24)  # a Monday
    assert np.flatnonzero(clock.off[::24]).tolist() == [4, 5]


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"timezone": "Europe/Atlantis"}, "no timezone"),
        ({"timezone": "../etc"}, "no timezone"),
        ({"timezone": "Europe"}, "no timezone"),
        ({"holidays": "XX"}, "no holidays are known"),
        ({"holidays": "DE-QQ"}, "no holidays are known"),
    ],
)
def test_an_unknown_place_is_refused(wrong, message):
    with pytest.raises(ConfigError, match=message):
        Calendar(**wrong)


def test_kept_weights_are_not_used_across_a_change_of_clocks():
    calendar = Calendar(timezone="Europe/Berlin")
    start = datetime(2026, 9, 26, tzinfo=UTC)
    values = office(start, 32 * 24)

    def frame(days):
        return Frame(keys=(SeriesKey("desk"),), start=start, step=HOUR, values=values[None, : days * 24])

    forecaster = Fleet(calendar=calendar)
    fit = forecaster.fit(frame(28), 24, LEVELS)  # ends on Friday; clocks change on Sunday
    np.testing.assert_array_equal(fit.forecast(frame(30)).values, forecaster.forecast(frame(30), 24, LEVELS).values)


@pytest.mark.parametrize("name", ["fleet", "fleet@Europe/Berlin", "fleet@Asia/Kolkata,IN", "fleet@UTC,DE-BY"])
def test_a_place_is_part_of_the_name(name):
    assert path_forecaster(name).name == name


def test_a_place_that_is_none_is_told_by_its_name():
    with pytest.raises(ConfigError, match="Atlantis"):
        path_forecaster("fleet@Atlantis")
