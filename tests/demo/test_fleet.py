from datetime import UTC, datetime, timedelta

import numpy as np
import pytest

from aiops.demo import fleet
from aiops.demo.fleet import Incident, Kind, generate
from aiops.errors import DataError
from aiops.series import FloatArray

END = datetime(2026, 11, 21, 10, 0, tzinfo=UTC)
DAY, WEEK = 1440, 10080


@pytest.fixture(scope="module")
def made() -> fleet.Fleet:
    return generate(END)


def autocorrelation(values: FloatArray, lag: int) -> float:
    before, after = values[:-lag], values[lag:]
    seen = ~(np.isnan(before) | np.isnan(after))
    return float(np.corrcoef(before[seen], after[seen])[0, 1])


def test_the_same_end_and_seed_give_the_same_numbers_and_another_seed_others(made):
    again, other = generate(END), generate(END, seed=8)
    np.testing.assert_array_equal(again.frame.values, made.frame.values)
    assert again.incidents == made.incidents
    assert (np.nan_to_num(other.frame.values) != np.nan_to_num(made.frame.values)).mean() > 0.9


def test_the_grid_ends_at_the_whole_minute_before_the_given_end(made):
    late = generate(END + timedelta(seconds=59))
    assert (late.frame.end, late.frame.step, late.frame.length) == (END, timedelta(minutes=1), 4 * WEEK)
    np.testing.assert_array_equal(late.frame.values, made.frame.values)


@pytest.mark.parametrize("weeks", [1, 2, 3])
def test_fewer_weeks_are_the_last_part_of_more_weeks(made, weeks):
    short = generate(END, weeks=weeks)
    np.testing.assert_array_equal(short.frame.values, made.frame.values[:, -weeks * WEEK :])
    assert short.incidents == tuple(each for each in made.incidents if each.start >= short.frame.start)


def test_nothing_is_negative_and_little_is_missing(made):
    values = made.frame.values
    assert np.nanmin(values) >= 0
    missing = np.isnan(values).mean(axis=1)
    assert (missing > 0).all()
    assert (missing < 0.01).all()


def test_no_two_series_are_alike(made):
    values = np.nan_to_num(made.frame.values)
    correlation = np.corrcoef(np.diff(values, axis=1))  # of the changes: seasons alone make many series look alike
    np.fill_diagonal(correlation, 0)
    assert np.abs(correlation).max() < 0.9


@pytest.mark.parametrize("lag", [DAY, WEEK])
@pytest.mark.parametrize(
    "key",
    [fleet.CHECKOUT, fleet.GATEWAY, fleet.SEARCH, fleet.FRONTEND, fleet.PAYMENTS, fleet.CHECKOUT_CPU, fleet.EXPORT],
)
def test_days_and_weeks_repeat(made, key, lag):
    values = made.row(key)
    between = autocorrelation(values, lag - DAY // 2)
    assert autocorrelation(values, lag) > 0.6
    assert autocorrelation(values, lag) > between + 0.3


def test_weekends_differ_where_the_business_does(made):
    days = (made.frame.stamps() // 86400 + 3).astype(int) % 7  # 0 is Monday
    weekend = days >= 5
    ratios = {
        key: float(np.nanmean(made.row(key)[weekend]) / np.nanmean(made.row(key)[~weekend])) for key in made.frame.keys
    }
    assert ratios[fleet.GATEWAY] < 0.6
    assert ratios[fleet.ADMIN] < 0.2
    assert ratios[fleet.CHECKOUT] > 1.1
    assert 0.9 < ratios[fleet.FRONTEND] < 1.1


def test_noise_persists(made):
    """What is left after the usual of its minute of the day is still autocorrelated, as real traffic is."""
    values = made.row(fleet.CHECKOUT)
    usual = np.nanmedian(values.reshape(-1, DAY), axis=0)
    left = np.log(values / np.tile(usual, len(values) // DAY))
    assert autocorrelation(left, 1) > autocorrelation(left, 30) > 0.3


def deviation(made: fleet.Fleet, incident: Incident) -> tuple[FloatArray, FloatArray]:
    """The log ratio to the same hours of the days around, within the incident and in the hour before it."""
    values = made.row(incident.key)
    first = (incident.start - made.frame.start) // made.frame.step
    last = (incident.end - made.frame.start) // made.frame.step
    log = np.log(np.maximum(values, 1e-9))
    around = np.arange(max(first - 60, 0), last)
    days = [log[around - shift * DAY] for shift in (1, 2, 7, 8) if around[0] - shift * DAY >= 0]
    apart = log[around] - np.nanmedian(days, axis=0)
    # The level of this very day is no trouble: it is measured in the hour before.
    apart -= np.nanmedian(apart[:60])
    return apart[60:], apart[:60]


def test_truth_is_where_the_data_deviates(made):
    for incident in made.incidents:
        inside, before = deviation(made, incident)
        strongest = np.nanmax(np.abs(inside))
        assert strongest > 0.4, incident
        assert strongest > 2 * np.nanmax(np.abs(before)), incident
        assert np.nanmedian(np.abs(inside)) > np.nanmedian(np.abs(before)), incident


def test_truth_ends_where_the_data_returns(made):
    """A minute after the stated end of a spike, storm or ramp the series is again where it was heading."""
    for incident in made.incidents:
        if incident.end + timedelta(minutes=5) > made.frame.end:
            continue
        values = made.row(incident.key)
        last = (incident.end - made.frame.start) // made.frame.step
        after, later = np.nanmean(values[last : last + 5]), np.nanmean(values[last + 5 : last + 25])
        assert abs(np.log(after / later)) < 0.25, incident


def test_each_kind_of_trouble_happens_in_the_last_six_hours(made):
    recent = {each.kind for each in made.incidents if each.start >= END - timedelta(hours=6)}
    assert recent == {Kind.SPIKE, Kind.LEVEL_SHIFT, Kind.LATENCY_RAMP, Kind.RETRY_STORM, Kind.SURGE}
    assert {each.kind for each in made.incidents if each.start < END - timedelta(days=4)} == recent - {Kind.SURGE}


def test_the_launch_lifts_the_level_for_good(made):
    (launch,) = (each for each in made.changes if each.kind is Kind.LAUNCH)
    values = made.row(launch.key)
    at = (launch.start - made.frame.start) // made.frame.step
    week_before, week_after = values[at - WEEK : at], values[at : at + WEEK]
    assert 1.15 < np.nanmedian(week_after / week_before) < 1.35


def test_a_deployment_dips_for_minutes(made):
    for change in made.changes:
        if change.kind is Kind.DEPLOYMENT:
            at = (change.start - made.frame.start) // made.frame.step
            values = made.row(change.key)
            assert values[at] < 0.6 * values[at - 1]
            assert np.nanmean(values[at + 10 : at + 20]) > 0.85 * np.nanmean(values[at - 10 : at])


def test_the_scaled_service_needs_many_replicas_by_day_and_few_at_night(made):
    replicas = made.row(made.scaled) / made.capacity_per_replica
    assert np.nanquantile(replicas, 0.02) < 5
    assert np.nanquantile(replicas, 0.99) > 15


def test_less_than_a_week_and_local_times_are_refused():
    with pytest.raises(DataError, match="at least one week"):
        generate(END, weeks=0)
    with pytest.raises(DataError, match="UTC"):
        generate(END.replace(tzinfo=None))


def test_checkout_jumps_every_day_when_its_customers_are_called(made):
    """What a forecast can know and a reactive scaler cannot: the same minute of every day."""
    by_day = np.roll(made.row(fleet.CHECKOUT), END.hour * 60 + END.minute - DAY).reshape(-1, DAY)[1:-1]
    for hour, least in ((9, 1.3), (12, 1.2), (19, 1.3)):
        jump = np.nanmean(by_day[:, hour * 60 + 2 : hour * 60 + 6], axis=1)
        jump /= np.nanmean(by_day[:, hour * 60 - 6 : hour * 60 - 1], axis=1)
        assert np.nanmedian(jump) > least, hour
        assert np.nanmin(jump) > 1.05, hour
