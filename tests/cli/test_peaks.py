"""``aiops peaks`` as a capacity planner starts it: who runs out, when, and what is told of the rest."""

import csv
import json
from datetime import UTC, datetime, timedelta
from functools import partial
from zoneinfo import ZoneInfo

import numpy as np
import pytest

from tests.cli import program

STEP = 900
END = 1_790_035_200  # midnight
DAY = 86400 // STEP
DAYS = 56


run = partial(program.run, "peaks", "--source", "fleet")


def daily(level, seed):
    at = np.arange(DAYS * DAY)
    noise = np.random.default_rng(seed).normal(0, 3, len(at))
    return level + 40 * np.sin(2 * np.pi * at / DAY) + noise


def disk():
    """Fills by 5 a day, and held 280 at the end."""
    return 280 - 5 * np.arange(DAYS * DAY)[::-1] / DAY + np.random.default_rng(3).normal(0, 1, DAYS * DAY)


@pytest.fixture
def fleet(tmp_path):
    folder = tmp_path / "fleet"
    folder.mkdir()
    series = {"disk": disk(), "shop": daily(200, 1), "free": daily(100, 2), "mail": daily(400, 4), "wrong": daily(1, 5)}
    for name, values in series.items():
        rows = [f"{END - STEP * (len(values) - row)},{value:.5g}" for row, value in enumerate(values)]
        (folder / f"{name}.csv").write_text("\n".join(["timestamp,value", *rows]) + "\n")
    limits = {"disk": "350", "shop": "", "free": "1000", "mail": "430", "wrong": "many"}
    rows = [f"{name},GB,{limit}" for name, limit in limits.items()]
    (folder / "index.csv").write_text("\n".join(["name,unit,limit", *rows]) + "\n")
    return tmp_path


def test_the_most_urgent_comes_first_and_the_interval_holds_the_day_that_is_true(fleet):
    said = run("--format", "json", "--output", "days.csv", "--report", "peaks.html", cwd=fleet)
    assert said.returncode == 5, said.stderr
    assert "left out: wrong: its limit 'many' is not a number" in said.stderr
    rows = {row["series_id"]: row for row in json.loads(said.stdout)}
    assert list(rows) == ["mail", "disk", "free", "shop"]

    end = datetime.fromtimestamp(END, UTC)
    assert rows["mail"]["reached_10%"] == f"{end:%Y-%m-%d}"  # it passes its limit every day
    soonest, latest = (
        datetime.fromisoformat(rows["disk"][name] + "T00:00Z") for name in ("reached_10%", "reached_90%")
    )
    full = end + timedelta(days=(350 - 280) / 5)
    assert soonest - timedelta(days=2) <= full <= latest + timedelta(days=2)
    assert latest - soonest < timedelta(days=8)
    assert rows["free"]["reached_10%"] is None
    assert rows["free"]["taken_90%"] < 0.2
    assert rows["shop"]["limit"] is None
    assert 230 < rows["shop"]["peak_50%"] <= rows["shop"]["peak_90%"] < 290

    with (fleet / "days.csv").open(newline="") as text:
        days = list(csv.DictReader(text))
    assert [row["day"] for row in days if row["series_id"] == "disk"] == [
        f"{end + timedelta(days=number):%Y-%m-%d}" for number in range(28)
    ]
    quantiles = np.array([[float(row[name]) for name in ("q0.1", "q0.5", "q0.9", "q0.95")] for row in days])
    assert (np.diff(quantiles, axis=1) >= 0).all()
    page = (fleet / "peaks.html").read_text()
    assert "<svg" in page
    assert "2 of 3 series with a limit rather reach it than not" in page


def test_a_limit_on_the_command_line_is_for_those_without_one(fleet):
    said = run("--limit", 210, "--horizon", "7d", "--query", "[fs]*", "--format", "json", cwd=fleet)
    assert said.returncode == 0, said.stderr
    rows = {row["series_id"]: row for row in json.loads(said.stdout)}
    assert (rows["shop"]["limit"], rows["free"]["limit"]) == (210, 1000)
    assert rows["shop"]["reached_90%"] is not None


def test_days_are_those_of_the_place_across_a_change_of_clocks(tmp_path):
    berlin = ZoneInfo("Europe/Berlin")
    (tmp_path / "fleet").mkdir()
    stamps = [END - 3600 * (DAYS * 24 - row) for row in range(DAYS * 24)]
    closed = {at: datetime.fromtimestamp(at, berlin).weekday() != 6 for at in stamps}
    rows = [f"{at},{10 if shut else 50}" for at, shut in closed.items()]  # open on Sundays only, from midnight on
    (tmp_path / "fleet" / "market.csv").write_text("\n".join(["timestamp,value", *rows]) + "\n")
    place = ("--forecaster", "fleet@Europe/Berlin,DE", "--horizon", "42d")
    said = run("--output", "days.csv", *place, cwd=tmp_path)
    assert said.returncode == 0, said.stderr
    with (tmp_path / "days.csv").open(newline="") as text:
        found = {datetime.fromisoformat(row["day"]).date(): float(row["q0.5"]) for row in csv.DictReader(text)}
    first = datetime.fromtimestamp(END, berlin).date()
    assert list(found) == [first + timedelta(days=number) for number in range(43)]  # of the first, the rest
    assert {day.isoformat() for day, peak in found.items() if peak > 30} == {
        day.isoformat() for day in found if day.weekday() == 6
    }


@pytest.mark.parametrize(
    ("option", "words"),
    [
        (["--horizon", "36h"], "give whole days"),
        (["--step", "7h"], "does not divide a day"),
        (["--limit", "nan"], "give a number"),
        (["--forecaster", "prophet"], "peaks are told by fleet"),
        (["--ray-address", "ray://x:1"], "goes with --engine ray"),
    ],
)
def test_what_makes_no_sense_is_2(fleet, option, words):
    said = run(*option, cwd=fleet)
    assert said.returncode == 2, said.stderr
    assert words in said.stderr


@pytest.mark.parametrize(("option", "file"), [("--output", "days.csv"), ("--report", "peaks.html")])
def test_a_full_disk_is_2_and_leaves_no_half_file(fleet, option, file):
    (fleet / file).write_text("of yesterday\n")
    said = run("--query", "[fs]*", "--workers", 1, option, file, cwd=fleet, most_bytes_a_file=1024)
    assert said.returncode == 2, said.stderr
    assert f"cannot write {file}: File too large" in said.stderr
    assert (fleet / file).read_text() == "of yesterday\n"
    assert sorted(path.name for path in fleet.iterdir()) == sorted([file, "fleet"])
