"""``aiops policy`` as a user starts it: what it prints, and how it ends."""

import itertools
import json
from pathlib import Path

import numpy as np
import pytest
import structlog
import yaml
from typer.testing import CliRunner

from aiops.cli.main import app
from aiops.errors import ConfigError

SCENARIOS = Path(__file__).parents[1] / "scenarios"
GOOD = "bounds: {maxReplicas: 40}\nload: {capacityPerReplica: 50}\n"
STORY = "story: As told.\nturns:\n  - {current: 2, peakDemand: 300, desired: 6, reason: DesiredWithinRange}\n"


@pytest.fixture(autouse=True)
def _logs_go_where_they_went():
    """The command line points the logs of this process at a stream that the runner closes."""
    before = structlog.get_config()
    yield
    structlog.configure(**before)


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "good.yaml").write_text(GOOD)
    return tmp_path


def run(*arguments):
    """Return the rows that were printed, and the error that ended it."""
    found = CliRunner().invoke(app, ["policy", *map(str, arguments), "--format", "json"])
    assert found.exception is None or isinstance(found.exception, ConfigError | SystemExit), found.exception
    return json.loads(found.stdout) if found.stdout else [], found.exception


def test_check_says_what_is_wrong_and_what_is_risky_with_file_and_line(folder):
    (folder / "risky.yaml").write_text(f"{GOOD}forecast:\n  level: 0.5\n")
    (folder / "typo.yml").write_text(f"{GOOD}laod: {{}}\nmode: floor\n")
    (folder / "unknown.yaml").write_text(f"{GOOD}forecast: {{model: bosted}}\n")
    (folder / "notes.txt").write_text("not a policy")

    rows, error = run("check", folder, folder / "missing.yaml")

    assert [(Path(row["where"]).name, row["verdict"]) for row in rows] == [
        ("good.yaml", "ok"),
        ("risky.yaml:4", "warning"),
        ("typo.yml:4", "error"),
        ("typo.yml:3", "error"),
        ("unknown.yaml:3", "error"),
        ("missing.yaml", "error"),
    ]
    assert "did you mean load?" in rows[3]["says"]
    assert "choose one of" in rows[4]["says"]
    assert "No such file" in rows[5]["says"]
    assert isinstance(error, ConfigError)
    assert str(error) == "4 things wrong: see above"


def test_check_ends_well_when_there_is_nothing_but_a_warning(folder):
    (folder / "risky.yaml").write_text(f"{GOOD}forecast: {{level: 0.5}}\n")

    rows, error = run("check", folder)

    assert [row["verdict"] for row in rows] == ["ok", "warning"]
    assert error is None


def test_check_plays_the_scenarios_of_this_project():
    rows, error = run("check", "--scenarios", SCENARIOS)

    assert len(rows) == len(list(SCENARIOS.glob("*.yaml")))
    assert {row["verdict"] for row in rows} == {"ok"}
    assert error is None


def test_a_story_without_a_policy_is_played_under_each_that_is_given(folder):
    (folder / "tight.yaml").write_text(GOOD.replace("40", "5"))
    story = folder / "stories"
    story.mkdir()
    (story / "told.yaml").write_text(STORY)

    rows, error = run("check", folder, "--scenarios", story)

    played = [(row["verdict"], row["says"].replace(str(folder), "")) for row in rows if "told.yaml" in row["where"]]
    assert played[0] == ("ok", "As told. under /good.yaml")
    assert played[1][0] == "error"
    assert played[1][1].startswith("turn 1 under /tight.yaml: desired is 5 and not 6, reason is TooManyReplicas")
    assert isinstance(error, ConfigError)


@pytest.mark.parametrize(
    ("arguments", "said"), [(["check"], "nothing to check"), (["check", "."], "holds no file that ends with .yaml")]
)
def test_nothing_to_check_is_no_success(arguments, said, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)

    _, error = run(*arguments)

    assert isinstance(error, ConfigError)
    assert said in str(error)


@pytest.fixture
def traces(folder):
    """Two days of a workload at one minute, with a peak every day."""
    (folder / "traces").mkdir()
    stamps = np.arange(2 * 1440) * 60 + 1_700_006_400
    noise = np.random.default_rng(4).lognormal(0, 0.05, len(stamps))
    values = 400 * (1.5 + np.sin(stamps * 2 * np.pi / 86400)) * noise
    lines = [f"{stamp},{value:.3f}" for stamp, value in zip(stamps, values, strict=True)]
    (folder / "traces" / "shop.csv").write_text("\n".join(["timestamp,value", *lines]) + "\n")
    (folder / "quick.yaml").write_text(f"{GOOD}forecast: {{model: holt-winters}}\n")
    return folder / "traces"


def test_neither_the_policy_nor_the_history_is_written_over(traces):
    policy, history = traces.parent / "quick.yaml", traces / "shop.csv"
    before = policy.read_text(), history.read_text()

    for arguments in (
        ["policy", "simulate", policy, "--source", traces, "--scenario", policy],
        ["policy", "simulate", policy, "--source", traces, "--output", history],
        ["backtest", "scaling", "--source", traces, "--policy", policy, "--decisions", traces],
    ):
        said = CliRunner().invoke(app, list(map(str, arguments))).exception
        assert isinstance(said, ConfigError), arguments
        assert "is read by this command, and would be lost" in str(said)
    assert (policy.read_text(), history.read_text()) == before


def test_decisions_are_of_what_was(traces):
    given = ["backtest", "scaling", "--source", traces, "--decisions", traces.parent / "out", "--what-if", "growth=2"]
    said = CliRunner().invoke(app, list(map(str, given))).exception
    assert isinstance(said, ConfigError)
    assert "leave --what-if out" in str(said)


def test_simulate_prints_each_change_and_its_story_is_played_as_it_was_told(traces):
    policy, story = traces.parent / "quick.yaml", traces.parent / "story.yaml"

    rows, error = run("simulate", policy, "--source", traces, "--series", "shop", "--scenario", story, "--told", "3h")
    played, wrong = run("check", "--scenarios", story)

    assert error is None
    assert len(rows) > 10
    assert all(row["from"] != row["to"] for row in rows)
    assert all(before["to"] == after["from"] for before, after in itertools.pairwise(rows))
    assert len(yaml.safe_load(story.read_text())["turns"]) == 180
    assert (wrong, [row["verdict"] for row in played]) == (None, ["ok"])


def test_explain_says_what_each_rule_makes_of_the_number(folder):
    asked = ("explain", folder / "good.yaml", "--current", 20, "--load", 90, "--forecast", 100, "--needed", 9)
    rows, _ = run(*asked, "--usual", 90)
    ahead, _ = run(*asked, "--later", 590)

    assert [(row["rule"], row["replicas"]) for row in rows] == [
        ("forecast", None),
        ("belief", None),
        ("replicas", 2),
        ("may it shrink", 2),
        ("stabilization", 9),
        ("look ahead", 9),
        ("tolerance", 9),
        ("one step", 15),
        ("bounds", 15),
        ("decision", 15),
    ]
    assert [(row["says"], row["replicas"]) for row in ahead[4:6]] == [("changes nothing", 2), ("NeededSoon", 12)]
    assert [row["says"] for row in rows[4:8]] == [
        *("ScaleDownStabilized", "changes nothing", "changes nothing", "ScaleDownLimit")
    ]


def test_explain_says_what_the_calendar_asks_for(folder):
    event = "{name: sale, start: 2026-11-27T12:00, end: 2026-11-27T14:00, multiplier: 3}"
    (folder / "sale.yaml").write_text(f"{GOOD}calendar: {{timeZone: Europe/Berlin, events: [{event}]}}\n")

    rows, _ = run(
        *("explain", folder / "sale.yaml", "--current", 4, "--load", 90, "--forecast", 100, "--usual", 150),
        *("--at", "2026-11-27T11:30:00+00:00"),
    )

    assert rows[2]["says"] == "event sale wants 450 to be planned for"
    assert rows[3]["says"] == "450 / (50 x 1)"
    assert rows[-1]["says"].startswith("4 -> 8: demand of up to 450 needs 9 replicas, more than one step may add; ev")


@pytest.mark.parametrize(
    ("options", "says"),
    [
        (["--forecast", 900, "--load", 90, "--usual", 200], "20 -> 5: demand of up to 250 needs 5 replicas, the most"),
        (["--load", 90], "hold 20: no forecast for the window"),
        (["--forecast", 900, "--load", 990, "--distrusted"], "20 -> 22: demand of up to 1089 needs 22 replicas; "),
        (["--forecast", 100], "hold 20: present demand unknown, demand of up to 100 needs 2 replicas"),
        (
            ["--forecast", 1500, "--load", 90, "--ceiling", 25],
            "20 -> 25: demand of up to 1500 needs 30 replicas; the max",
        ),
        (
            ["--forecast", 100, "--load", 90, "--slo", "errors=0.2"],
            "hold 20: demand of up to 100 needs 2 replicas, but",
        ),
    ],
)
def test_explain_ends_with_the_decision(options, says, folder):
    (folder / "free.yaml").write_text(
        f"{GOOD}behavior: {{scaleDown: {{maxStepRatio: 1}}}}\n"
        "guard: {slos: [{name: errors, query: error_ratio, threshold: 0.1}]}\n"
    )

    rows, _ = run("explain", folder / "free.yaml", "--current", 20, *options)

    assert rows[-1]["says"].startswith(says)


def test_an_answer_to_an_slo_that_is_not_there_is_refused(folder):
    _, error = run("explain", folder / "good.yaml", "--current", 2, "--slo", "errors=0.2")

    assert "--slo errors=0.2: write NAME=NUMBER" in str(error)


def test_a_backtest_follows_the_calendar_and_the_prices_of_a_policy(traces):
    """10:00 in Berlin is 09:00 in UTC; a replica that is to serve then is asked for one window earlier."""
    event = "{name: sale, start: 2023-11-16T10:00, end: 2023-11-16T11:00, minReplicas: 33}"
    policy, out = traces.parent / "sale.yaml", traces.parent / "out"
    policy.write_text(
        f"{GOOD}forecast: {{model: holt-winters}}\nprices: {{replicaHour: 0.05, unmetRequest: 0.0001}}\n"
        f"calendar: {{timeZone: Europe/Berlin, events: [{event}]}}\nbehavior: {{scaleUp: {{maxStepRatio: 1000}}}}\n"
    )
    given = ["backtest", "scaling", "--source", traces, "--policy", policy, "--workers", 1, "--decisions", out]

    ended = CliRunner().invoke(app, [*map(str, given)])

    assert ended.exit_code == 0, ended.exception
    decided = [line.split(",") for line in (out / "shop.csv").read_text().splitlines()[1:]]
    by_event = [int(at) for at, _, reason in decided if reason == "CalendarEvent"]
    nine = 1_700_006_400 + 86_400 + 9 * 3600
    assert (by_event[0], by_event[-1]) == (nine - 3 * 60, nine + 59 * 60)
    assert all(int(count) >= 33 for at, count, _ in decided if nine <= int(at) < nine + 3600)
