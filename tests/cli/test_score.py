"""``aiops score`` as a user starts it: one line a row, labels unread, exit codes."""

import csv
from functools import partial

import numpy as np
import pytest

from aiops.detection.cover import covered
from aiops.detection.detector import Points
from aiops.detection.fleet import FleetDetector
from tests.cli import program

run = partial(program.run, "score")


def lines(path):
    with path.open(newline="") as text:
        return list(csv.DictReader(text))


@pytest.fixture
def folder(tmp_path):
    root = tmp_path / "telemetry"
    (root / "series").mkdir(parents=True)
    values = 100 + np.random.default_rng(1).standard_normal(3000)
    values[2500:2520] = 300
    rows = [f"{1_700_000_000 + 60 * t},{value},{int(2500 <= t < 2520)}" for t, value in enumerate(values.tolist())]
    rows[50] = f"{1_700_000_000 + 60 * 50},,0"
    rows.insert(101, rows[100])
    (root / "series" / "shop.csv").write_text("\n".join(["timestamp,value,label", *rows]) + "\n")
    (root / "index.csv").write_text("name,file,step_s\nshop/rate,series/shop.csv,60\n")
    return root


def test_one_line_for_each_row_and_the_incident_is_told_once(folder, tmp_path):
    done = run("--source", folder, "--output", "out/scores.csv", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    found = lines(tmp_path / "out" / "scores.csv")
    assert list(found[0]) == ["series_id", "timestamp", "score", "alert"]
    assert len(found) == 3001
    assert {row["series_id"] for row in found} == {"shop/rate"}
    assert [int(row["timestamp"]) for row in found[99:103]] == [1_700_000_000 + 60 * t for t in (99, 100, 100, 101)]
    assert float(found[50]["score"]) == 0.0
    assert float(found[101]["score"]) == 0.0, "the second row of a step"
    assert float(found[2501]["score"]) > 0.5
    assert 0.3 < float(found[2561]["score"]) < 0.5, "what follows an incident is covered, and tells nobody"
    assert float(found[-1]["score"]) < 0.1
    assert [index for index, row in enumerate(found) if row["alert"] == "1"] == [2501]
    assert "3,001 rows of 1 series scored, 1 alerts" in done.stderr


def test_scores_are_those_of_the_detector_fed_point_by_point(folder, tmp_path):
    run("--source", folder, "--output", "scores.csv", cwd=tmp_path)
    with (folder / "series" / "shop.csv").open(newline="") as text:
        rows = list(csv.DictReader(text))
    new = [t for t, row in enumerate(rows) if t == 0 or row["timestamp"] != rows[t - 1]["timestamp"]]
    stamps = np.array([float(rows[t]["timestamp"]) for t in new])
    values = np.array([float(rows[t]["value"] or "nan") for t in new])
    detector, row = FleetDetector(), np.zeros(1, dtype=np.int64)
    state, shape = detector.start(1), detector.replay(stamps, values)
    shape[0] = [
        detector.alerts_a_week(state, Points.unforecast(row, stamps[t : t + 1], values[t : t + 1]))[0]
        for t in range(len(new))
    ]
    told = np.array([float(line["score"]) for line in lines(tmp_path / "scores.csv")])
    assert told[new] == pytest.approx(np.nan_to_num(1 / (1 + 10.0 ** -covered(shape))), abs=1e-6)
    own = np.nan_to_num(1 / (1 + shape[0]))
    assert (told[new][own < 0.1] < 0.5).all(), "covered by an incident, and not called one"
    assert told[new].max() == pytest.approx(own.max()), "the oddest says all of it"


def test_labels_change_nothing(folder, tmp_path):
    run("--source", folder, "--output", "one.csv", cwd=tmp_path)
    file = folder / "series" / "shop.csv"
    file.write_text("\n".join(line.rsplit(",", 1)[0] for line in file.read_text().splitlines()) + "\n")
    run("--source", folder, "--output", "two.csv", cwd=tmp_path)
    assert (tmp_path / "one.csv").read_bytes() == (tmp_path / "two.csv").read_bytes()


def test_what_comes_later_changes_nothing(folder, tmp_path):
    run("--source", folder, "--output", "long.csv", cwd=tmp_path)
    file = folder / "series" / "shop.csv"
    file.write_text("\n".join(file.read_text().splitlines()[:2002]) + "\n")
    run("--source", folder, "--output", "short.csv", cwd=tmp_path)
    assert lines(tmp_path / "short.csv") == lines(tmp_path / "long.csv")[:2001]


def test_a_series_that_goes_back_in_time_is_left_out_and_named(folder, tmp_path):
    (folder / "series" / "late.csv").write_text("timestamp,value\n120,1\n60,2\n")
    with (folder / "index.csv").open("a") as index:
        index.write("late,series/late.csv,60\n")
    done = run("--source", folder, "--output", "scores.csv", cwd=tmp_path)
    assert done.returncode == 5
    assert "left out: late" in done.stderr
    assert "sort the rows" in done.stderr
    assert {row["series_id"] for row in lines(tmp_path / "scores.csv")} == {"shop/rate"}


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (("--source", "nowhere", "--output", "s.csv"), 3, "does not exist"),
        (("--source", "telemetry", "--output", "s.csv", "--budget", "0"), 2, "positive number of alerts a week"),
        (("--source", "telemetry", "--output", "telemetry"), 2, "cannot write"),
        (("--source", "telemetry", "--output", "telemetry/index.csv/s.csv"), 2, "Not a directory"),
    ],
)
def test_what_cannot_be_done_is_said(folder, tmp_path, arguments, code, said):
    done = run(*arguments, cwd=tmp_path)
    assert done.returncode == code
    assert said in done.stderr
    assert "Traceback" not in done.stderr
    assert [path.name for path in tmp_path.iterdir()] == ["telemetry"]
