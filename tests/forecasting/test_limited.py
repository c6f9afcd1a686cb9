"""A fit that takes too long, takes too much, or takes its process along costs itself only; the next one is made."""

import os
import signal
import threading
import time
from datetime import UTC, datetime, timedelta

import numpy as np
import pytest

from aiops.errors import FitFailedError
from aiops.forecasting.limited import limited
from aiops.forecasting.per_series import point_of_each
from aiops.series import Frame, Series, SeriesKey
from tests.forecasting import odd_fits

SERIES = Series(
    key=SeriesKey.parse('load{service="shop"}'),
    start=datetime(2026, 3, 2, 7, 13, tzinfo=UTC),
    step=timedelta(minutes=5),
    values=np.array([1.0, np.nan, 1e17, 0.1 + 0.2]),
)


@pytest.mark.parametrize(
    ("fit", "words"),
    [
        (odd_fits.sleeps, "took longer than 0.5 s"),
        (odd_fits.eats, "needs more than 2 GB"),
        (odd_fits.dies, "ended its process"),
        (odd_fits.raises, "ArithmeticError: it does not converge"),
    ],
)
def test_a_fit_that_goes_wrong_says_so_and_the_next_one_is_made(fit, words):
    limited(odd_fits.prints)(SERIES, 1)  # the process is there: what is timed is the fit
    began = time.monotonic()
    with pytest.raises(FitFailedError, match=words) as said:
        limited(fit, seconds=0.5 if fit is odd_fits.sleeps else 60)(SERIES, 3)
    assert "shop" in str(said.value)
    assert time.monotonic() - began < 30
    assert limited(odd_fits.prints)(SERIES, 3).tolist() == [0.1 + 0.2] * 3


def test_a_limit_that_is_passed_as_the_answer_arrives_is_not_laid_to_the_next_fit(monkeypatch):
    kill = os.killpg

    def kill_late(group, number):
        if threading.current_thread() is not threading.main_thread():
            time.sleep(1)  # so that the answer is there between the end of its time and the end of its process
        kill(group, number)

    limited(odd_fits.prints)(SERIES, 1)
    monkeypatch.setattr(os, "killpg", kill_late)
    assert len(limited(odd_fits.naps, seconds=0.1)(SERIES, 4)) == 4
    assert len(limited(odd_fits.naps)(SERIES, 12)) == 12


def test_a_fit_that_is_interrupted_leaves_no_answer_to_the_next():
    def interrupt(number, frame):
        raise KeyboardInterrupt

    limited(odd_fits.prints)(SERIES, 1)
    before = signal.signal(signal.SIGALRM, interrupt)
    try:
        signal.setitimer(signal.ITIMER_REAL, 0.1)
        with pytest.raises(KeyboardInterrupt):
            limited(odd_fits.naps)(SERIES, 4)
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
    assert limited(odd_fits.prints)(SERIES, 3).tolist() == [0.1 + 0.2] * 3


def test_a_fit_has_one_thread():
    assert set(limited(odd_fits.threads)(SERIES, 1)) == {1.0}


def test_of_a_fleet_only_the_row_that_cannot_be_fitted_is_lost():
    values = np.random.default_rng(0).random((3, 20))
    frame = Frame(keys=tuple(map(SeriesKey, "abc")), start=SERIES.start, step=SERIES.step, values=values)
    calls = iter([odd_fits.prints, odd_fits.dies, odd_fits.prints])
    found = point_of_each(frame, 2, lambda series, horizon: limited(next(calls))(series, horizon))
    np.testing.assert_allclose(found[[0, 2]], values[[0, 2], -1:].repeat(2, axis=1))
    assert np.isnan(found[1]).all()
