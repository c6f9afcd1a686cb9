"""A window covers what pods take to start: nearly all of them, and no nonsense."""

from datetime import timedelta

from hypothesis import given
from hypothesis import strategies as st

from aiops.scaling.lead_time import learnt

INTERVAL, SYNC, MINUTE = timedelta(seconds=30), timedelta(seconds=15), timedelta(minutes=1)
starts = st.lists(st.timedeltas(timedelta(), timedelta(minutes=40)), max_size=40)


def seconds(*counts: int) -> list[timedelta]:
    return [timedelta(seconds=count) for count in counts]


def test_it_is_what_nine_in_ten_took_and_interval_and_sync_in_whole_minutes() -> None:
    found = learnt(seconds(*[100] * 18, 400, 500), INTERVAL)

    assert (found.window, found.says) == (3 * MINUTE, "nine in ten of 20 pods were ready within 1 min 40 s")
    assert learnt(seconds(*[100] * 17, 400, 400, 500), INTERVAL).window == 8 * MINUTE


def test_too_few_teach_nothing_and_older_pods_are_forgotten() -> None:
    assert learnt(seconds(100, 100), INTERVAL).window is None
    assert learnt(seconds(100, 100, 7200), INTERVAL).window is None, "ready again after two hours is no start"
    assert learnt(seconds(*[20] * 20, *[800] * 20), INTERVAL).window == 2 * MINUTE


@given(startups=starts)
def test_it_is_bounded_and_covers_what_it_says(startups) -> None:
    window = learnt(startups, INTERVAL).window

    if window is not None:
        newest = [each for each in startups if each <= timedelta(minutes=30)][:20]
        covered = sum(min(each, timedelta(minutes=15)) + INTERVAL + SYNC <= window for each in newest)
        assert covered >= 0.9 * len(newest)
        assert MINUTE <= window <= 16 * MINUTE
        assert window > INTERVAL, "as the API asks of a window that is written"


@given(startups=starts, slower=st.timedeltas(timedelta(), timedelta(minutes=1)))
def test_slower_starts_never_make_it_shorter(startups, slower) -> None:
    quick = [each for each in startups if each <= timedelta(minutes=29)]
    window = learnt(quick, INTERVAL).window

    if window is not None:
        later = learnt([each + slower for each in quick], INTERVAL).window
        assert later is not None
        assert later >= window
