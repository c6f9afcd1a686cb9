"""``aiops policy`` as a user starts it: what it prints, and how it ends."""

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from aiops.cli.main import app
from aiops.errors import ConfigError

SCENARIOS = Path(__file__).parents[1] / "scenarios"
GOOD = "bounds: {maxReplicas: 40}\nload: {capacityPerReplica: 50}\n"
STORY = "story: As told.\nturns:\n  - {current: 2, peakDemand: 300, desired: 6, reason: DesiredWithinRange}\n"


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
