"""Lengths of time and instants, as people write them."""

from datetime import UTC, datetime, timedelta

import pytest
import typer

from aiops.cli.options import duration, instant


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("15s", timedelta(seconds=15)),
        ("5m", timedelta(minutes=5)),
        ("1h30m", timedelta(minutes=90)),
        ("28d", timedelta(days=28)),
        ("4w", timedelta(weeks=4)),
    ],
)
def test_durations_are_read(text, expected):
    assert duration(text) == expected


@pytest.mark.parametrize("text", ["", "5", "m", "5 m", "-5m", "0s", "5m x", "1.5h"])
def test_anything_else_is_refused_with_an_example(text):
    with pytest.raises(typer.BadParameter, match="write it like 90s, 5m"):
        duration(text)


def test_an_instant_without_an_offset_is_utc_and_others_are_converted():
    assert instant("2026-01-31T12:00:00") == datetime(2026, 1, 31, 12, tzinfo=UTC)
    assert instant("2026-01-31T12:00:00+02:00") == datetime(2026, 1, 31, 10, tzinfo=UTC)
    with pytest.raises(typer.BadParameter, match="not an instant"):
        instant("yesterday")
