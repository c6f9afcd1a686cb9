"""``aiops forecast`` as a user starts it: the file, what is left out, exit codes."""

import csv
from datetime import UTC, datetime, timedelta
from functools import partial

import numpy as np
import pytest

from tests.cli import program

BEGIN = 1_790_000_000
STEP = 1800
HEADER = ["series_id", "cutoff", "timestamp", "mean", "q0.1", "q0.5", "q0.9", "q0.95", "q0.99"]


run = partial(program.run, "forecast", "--source", "traces")


def rows(count=12 * 48, scale=1.0):
    noise = np.random.default_rng(1).lognormal(0, 0.1, count)
    values = scale * (1.5 + np.sin(np.arange(count) * STEP * 2 * np.pi / 86400)) * noise
    return [f"{BEGIN + STEP * row},{value}" for row, value in enumerate(values)]


def write(folder, name, lines):
    folder.mkdir(exist_ok=True)
    (folder / f"{name}.csv").write_text("\n".join(["timestamp,value", *lines]) + "\n")


@pytest.fixture
def traces(tmp_path):
    write(tmp_path / "traces", "search", rows())
    write(tmp_path / "traces", "shop", rows(10 * 48, 1e17))
    return tmp_path / "traces"


def read(path):
    with path.open(newline="") as text:
        table = csv.reader(text)
        assert next(table) == HEADER
        return list(table)


def test_every_series_is_forecast_from_its_end(traces, tmp_path):
    said = run(cwd=tmp_path)
    assert said.returncode == 0, said.stderr
    found = read(tmp_path / "forecasts.csv")
    assert [row[0] for row in found] == ["search"] * 48 + ["shop"] * 48
    cutoff, first = (datetime.fromisoformat(found[0][place]) for place in (1, 2))
    assert cutoff.timestamp() == BEGIN + STEP * (12 * 48 - 1)
    assert first == cutoff + timedelta(seconds=STEP)
    quantiles = np.array([row[4:] for row in found], dtype=np.float64)
    assert (np.diff(quantiles, axis=1) >= 0).all()
    assert (quantiles >= 0).all()


def test_cutoffs_choose_and_what_cannot_be_forecast_is_named(traces, tmp_path):
    cutoff = datetime.fromtimestamp(BEGIN + STEP * 400, UTC).isoformat()
    (tmp_path / "cutoffs.csv").write_text(f"series_id,cutoff\nsearch,{cutoff}\nsearch,{BEGIN + 1}\nnobody,{cutoff}\n")
    said = run("--cutoffs", "cutoffs.csv", "--horizon", "6h", "--output", "out/f.csv", cwd=tmp_path)
    assert said.returncode == 5, said.stderr
    assert "left out: search: too short: 1 values" in said.stderr
    assert "left out: nobody: cutoffs.csv names it, the source does not hold it" in said.stderr
    assert len(read(tmp_path / "out" / "f.csv")) == 12


def changing(count):
    """Every half hour at first, then every five minutes, then off the grid, and no index says the step."""
    stamps = [BEGIN + STEP * row for row in range(400)]
    stamps += [stamps[-1] + 300 * row for row in range(1, 1500)]
    stamps += [stamps[-1] + 60 * row + 7 for row in range(1, 9000)]
    noise = np.random.default_rng(2).lognormal(0, 0.1, len(stamps))
    return stamps, [f"{at},{value}" for at, value in zip(stamps[:count], noise, strict=False)]


def test_rows_after_a_cutoff_change_nothing_not_even_the_step(tmp_path):
    stamps, everything = changing(None)
    known = (380, 1700)
    for name in ("whole", *map(str, known)):
        (tmp_path / name).mkdir()
    write(tmp_path / "whole" / "traces", "a", everything)
    lines = [f"a,{stamps[count - 1] + 5}" for count in known]  # no row has this stamp, the next ones come soon after
    (tmp_path / "whole" / "cutoffs.csv").write_text("\n".join(["series_id,cutoff", *lines]) + "\n")
    for count, line in zip(known, lines, strict=True):
        write(tmp_path / str(count) / "traces", "a", everything[:count])
        (tmp_path / str(count) / "cutoffs.csv").write_text(f"series_id,cutoff\n{line}\n")
    for name in ("whole", *map(str, known)):
        said = run("--cutoffs", "cutoffs.csv", "--workers", "1", cwd=tmp_path / name)
        assert said.returncode == 0, said.stderr
    apart = [read(tmp_path / str(count) / "forecasts.csv") for count in known]
    assert [len(each) for each in apart] == [48, 288]
    assert read(tmp_path / "whole" / "forecasts.csv") == [*apart[0], *apart[1]]


BAD = {
    "short": rows(1),
    "nothing": [f"{BEGIN + STEP * row}," for row in range(50)],
    "jump": [*rows(200), *(f"{BEGIN + STEP * row},1" for row in range(100, 150))],
    "leap": [*rows(20), "4790000000,1"],
    "endless": [*rows(200), f"{BEGIN + STEP * 200},inf"],
}


def test_bad_series_are_left_out_and_the_rest_of_the_fleet_gets_its_forecast(traces, tmp_path):
    for name, lines in BAD.items():
        write(traces, name, lines)
    write(traces, "irregular", [f"{BEGIN + STEP * row + 13 * (row % 7)},{row % 5}" for row in range(500)])
    write(traces, "constant", [f"{BEGIN + STEP * row},5" for row in range(500)])
    said = run(cwd=tmp_path)
    assert said.returncode == 5, said.stderr
    for name in BAD:
        assert f"left out: {name}: " in said.stderr
    assert {row[0] for row in read(tmp_path / "forecasts.csv")} == {"search", "shop", "irregular", "constant"}


def test_nothing_to_forecast_is_3_and_leaves_no_file(tmp_path):
    write(tmp_path / "traces", "short", rows(1))
    said = run(cwd=tmp_path)
    assert said.returncode == 3
    assert "nothing could be forecast" in said.stderr
    assert not list(tmp_path.glob("*forecasts*"))


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("series_id,at\na,1\n", "has no column cutoff"),
        ("series_id,cutoff\nsearch,soon\n", "line 2: cutoff 'soon' is not an instant"),
        ("series_id,cutoff\n,2026-01-01\n", "line 2: a series needs a name"),
        ("series_id,cutoff\n", "names no cutoff"),
        (None, "cannot read cutoffs.csv"),
    ],
)
def test_cutoffs_that_make_no_sense_are_2(content, message, traces, tmp_path):
    if content is not None:
        (tmp_path / "cutoffs.csv").write_text(content)
    said = run("--cutoffs", "cutoffs.csv", cwd=tmp_path)
    assert said.returncode == 2, said.stderr
    assert message in said.stderr


def test_a_full_disk_is_2_and_leaves_no_half_file(traces, tmp_path):
    (tmp_path / "forecasts.csv").write_text("of yesterday\n")
    said = run(cwd=tmp_path, most_bytes_a_file=4096)
    assert said.returncode == 2, said.stderr
    assert "cannot write forecasts.csv" in said.stderr
    assert (tmp_path / "forecasts.csv").read_text() == "of yesterday\n"
    assert not list(tmp_path.glob(".forecasts*"))


def test_a_file_is_no_folder_to_write_to(traces, tmp_path):
    said = run("--output", "traces/shop.csv/f.csv", cwd=tmp_path)
    assert said.returncode == 2, said.stderr
    assert "cannot write traces/shop.csv/f.csv: Not a directory" in said.stderr
    assert "Traceback" not in said.stderr
