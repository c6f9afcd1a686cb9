from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aiops.errors import ConfigError
from aiops.series.duration import duration_text, format_duration, parse_duration


@given(st.integers(0, 10**9))
def test_what_is_written_is_read_back(seconds):
    text = format_duration(timedelta(seconds=seconds))
    assert parse_duration(text) == timedelta(seconds=seconds)


@pytest.mark.parametrize(("text", "seconds"), [("90s", 90), ("1h30m", 5400), ("2w1d", 1_296_000), ("0s", 0)])
def test_lengths_as_people_write_them(text, seconds):
    assert parse_duration(text) == timedelta(seconds=seconds)


@pytest.mark.parametrize("text", ["", "5", "m", "1.5h", "5 m", "-5m", "5min", "5m "])
def test_anything_else_is_refused(text):
    with pytest.raises(ConfigError, match="not a length of time"):
        parse_duration(text)


def test_more_than_any_calendar_holds_is_refused():
    with pytest.raises(ConfigError, match="'999999999w' is too long"):
        parse_duration("999999999w")


@pytest.mark.parametrize(
    ("span", "said"),
    [
        (timedelta(0), "0 s"),
        (timedelta(seconds=90), "1 min 30 s"),
        (timedelta(minutes=65), "1 h 5 min"),
        (timedelta(days=2, hours=1, minutes=3), "2 d 1 h"),
    ],
)
def test_a_length_for_people_has_two_parts(span, said):
    assert duration_text(span) == said
