"""``aiops train-combiner`` as a user starts it: from labels, and from what people said, to a file that scores."""

import csv
from datetime import timedelta

import numpy as np
import pytest

from aiops.adapters.feedback_file import FeedbackFile
from aiops.alerting.alert import Alert, Severity, Status
from aiops.alerting.feedback import Verdict
from aiops.series import from_epoch
from tests.cli import program

STEP, DAY, START = 300, 288, 1_772_409_600  # a Monday in March 2026
SERIES = 5


def run(command, *arguments, cwd):
    """Start it when the four weeks are over."""
    over = from_epoch(START + 28 * 86_400).isoformat()
    clock = {"AIOPS_CLOCK__START": over, "AIOPS_CLOCK__ANCHOR": over, "AIOPS_CLOCK__SPEED": "0.000001"}
    return program.run(command, *arguments, cwd=cwd, **clock)


def nightly_and_not(seed: int) -> tuple[np.ndarray, list[int], list[int]]:
    """Return four weeks with a job at 08:20 each day and trouble at other times, and where each of them is."""
    random = np.random.default_rng(seed)
    values = 100.0 + 10.0 * np.sin(2 * np.pi * np.arange(28 * DAY) / DAY) + random.standard_normal(28 * DAY)
    jobs = list(range(3 * DAY + 100, 28 * DAY, DAY))
    trouble = random.choice(np.arange(2000, 27 * DAY, 40), 6, replace=False).tolist()
    for place in jobs + trouble:
        values[place : place + 2] += 30.0
    return values, jobs, trouble


@pytest.fixture(scope="module")
def telemetry(tmp_path_factory):
    """A folder without labels, beside a state folder: people have judged the last jobs and all trouble."""
    folder = tmp_path_factory.mktemp("shop")
    root, store = folder / "telemetry", FeedbackFile(folder / "state" / "feedback.sqlite")
    root.mkdir()
    told, said = {}, []
    for number in range(SERIES):
        values, jobs, trouble = nightly_and_not(number)
        rows = [f"{START + STEP * t},{value}" for t, value in enumerate(values.tolist())]
        (root / f"shop{number}.csv").write_text("\n".join(["timestamp,value", *rows]) + "\n")
        for place in jobs + trouble:
            since = from_epoch(START + STEP * place)
            alert = Alert(
                status=Status.RESOLVED,
                severity=Severity.TICKET,
                starts_at=since,
                ends_at=since + timedelta(seconds=STEP),
                labels={"alertname": "SeriesAnomalous", "severity": "ticket", "service": f"{number}", "at": f"{place}"},
                annotations={"series": f"shop{number}"},
                scope={"service": f"{number}"},
            )
            told[f"{number}/{place}"] = alert
            if place in jobs[-6:] + trouble:
                said.append((alert.fingerprint, Verdict.NOISE if place in jobs else Verdict.USEFUL, since))
    store.note(told, from_epoch(START + 28 * 86_400))
    for fingerprint, verdict, at in said:
        store.give(fingerprint, verdict, at, timedelta(hours=1))
    return root


def scores(path):
    with path.open(newline="") as text:
        return np.array([float(row["score"]) for row in csv.DictReader(text) if row["series_id"] == "shop0"])


def test_what_people_call_noise_scores_lower_and_what_helped_them_stays_odd(telemetry, tmp_path):
    done = run(
        "train-combiner",
        "--source",
        telemetry,
        "--state",
        telemetry.parent / "state",
        "--output",
        "c.json",
        cwd=tmp_path,
    )
    assert done.returncode == 0, done.stderr
    assert f"c.json: {6 * SERIES} incidents in" in done.stderr
    for output, more in (("alone.csv", ()), ("learnt.csv", ("--combiner", "c.json"))):
        done = run("score", "--source", telemetry, "--output", output, *more, cwd=tmp_path)
        assert done.returncode == 0, done.stderr
    alone, learnt = scores(tmp_path / "alone.csv"), scores(tmp_path / "learnt.csv")
    _, jobs, trouble = nightly_and_not(0)
    noise = [place for place in jobs if place > 14 * DAY]
    useful = [place for place in trouble if place > 14 * DAY]
    assert min(alone[noise]) > 0.9, "the detector alone calls the job as odd as trouble"
    assert np.median(learnt[noise]) < 0.5, "now it is nothing that would be told once a week"
    assert max(learnt[noise]) < min(learnt[useful])


def test_without_labels_and_verdicts_nothing_can_be_learnt(telemetry, tmp_path):
    done = run("train-combiner", "--source", telemetry, "--output", "c.json", cwd=tmp_path)
    assert done.returncode == 3
    assert "series 'shop0' has no labels" in done.stderr
    assert not (tmp_path / "c.json").exists()


def test_a_state_folder_without_feedback_and_a_broken_combiner_are_refused(telemetry, tmp_path):
    done = run("train-combiner", "--source", telemetry, "--state", tmp_path / "none", cwd=tmp_path)
    assert done.returncode == 2
    assert "--state names the folder" in done.stderr
    (tmp_path / "c.json").write_text("{}")
    done = run("score", "--source", telemetry, "--output", "s.csv", "--combiner", "c.json", cwd=tmp_path)
    assert done.returncode == 2
    assert "c.json is no combiner" in done.stderr
    assert not (tmp_path / "s.csv").exists()
