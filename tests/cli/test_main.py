"""The program as a user starts it: help, exit codes, and what each error says."""

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import typer
from typer.testing import CliRunner

from aiops.cli.main import app
from tests.cli.program import AIOPS, run


@pytest.fixture
def folder(tmp_path):
    """Four days of two workloads at five minutes, with an index."""
    root = tmp_path / "traces"
    root.mkdir()
    stamps = np.arange(4 * 288) * 300 + 1_700_006_400
    for name, level in (("shop", 100.0), ("search", 40.0)):
        noise = np.random.default_rng(len(name)).lognormal(0, 0.05, len(stamps))
        values = level * (1.5 + np.sin(stamps * 2 * np.pi / 86400)) * noise
        lines = [f"{stamp},{value:.3f}" for stamp, value in zip(stamps, values, strict=True)]
        (root / f"{name}.csv").write_text("\n".join(["timestamp,value", *lines]) + "\n")
    (root / "index.csv").write_text(
        "name,step_s,capacity_per_replica,unit\nshop,300,10,requests/s\nsearch,300,8,requests/s\n"
    )
    return root


def commands(command, *path):
    """Return the path of a command and of all below it."""
    below = getattr(command, "commands", {})
    return [path, *(each for name, child in below.items() for each in commands(child, *path, name))]


@pytest.mark.parametrize("command", commands(typer.main.get_command(app)), ids=" ".join)
def test_help_opens_with_an_example(command):
    said = CliRunner().invoke(app, [*command, "--help"])
    lines = [line.strip() for line in said.stdout.splitlines() if line.strip()]
    assert said.exit_code == 0
    assert lines[0].startswith("Usage:")
    assert lines[1].startswith("Example:")


def test_help_does_not_load_heavy_libraries():
    code = (
        "import sys; sys.argv = ['aiops', '--help']\n"
        "from aiops.cli.main import main\n"
        "try: main()\nexcept SystemExit: pass\n"
        "heavy = {'pandas', 'numba', 'pyarrow', 'statsmodels', 'prophet', 'river', 'requests', 'jinja2', 'scipy'}\n"
        "heavy.add('mlflow')\n"
        "print(sorted(heavy & set(sys.modules)), file=sys.stderr)"
    )
    said = subprocess.run([sys.executable, "-c", code], check=False, capture_output=True, text=True, timeout=60)
    assert said.stderr.strip() == "[]"


def test_scaling_prints_a_table_and_writes_page_and_json(folder, tmp_path):
    said = run("backtest", "scaling", "--source", folder, "--workers", 1, "--format", "json", cwd=tmp_path)
    assert said.returncode == 0, said.stderr
    rows = json.loads(said.stdout)
    assert [row["workload"] for row in rows] == ["shop", "search", "(mean)"]
    assert set(rows[0]) == {"workload", "default HPA", "tuned HPA", "boosted", "last-week"}
    document = json.loads((tmp_path / "backtest-scaling.json").read_text())
    assert document["schema_version"] == 1
    page = (tmp_path / "backtest-scaling.html").read_text()
    assert document["verdict"].split(",")[0] in page
    assert "aiops backtest scaling --source" in page
    assert "://" not in page.replace("http://www.w3.org", "").replace("data:", "")


def test_forecast_compares_with_seasonal_naive(folder, tmp_path):
    said = run(
        "backtest", "forecast", "--source", folder, "--forecaster", "holt-winters", "--origins", 2, "--workers", 1,
        "--format", "csv", "--output", tmp_path / "out.csv", "--report", tmp_path / "deep" / "page.html",
    )  # fmt: skip
    assert said.returncode == 0, said.stderr
    lines = (tmp_path / "out.csv").read_text().splitlines()
    assert lines[0].startswith("model,series,mase_ratio")
    assert {line.split(",")[0] for line in lines[1:]} == {"seasonal-naive", "holt-winters"}
    assert (tmp_path / "deep" / "page.html").exists()
    assert said.stdout == ""


def test_policies_are_put_side_by_side_and_asked_what_if(folder, tmp_path):
    for name, level in (("careful", 0.99), ("cheap", 0.5)):
        spec = f"bounds: {{maxReplicas: 100}}\nload: {{capacityPerReplica: 10}}\nforecast: {{level: {level}}}\n"
        (tmp_path / f"{name}.yaml").write_text(spec)
    said = run(
        "backtest", "scaling", "--source", folder, "--query", "shop", "--policy", tmp_path / "careful.yaml",
        "--policy", tmp_path / "cheap.yaml", "--cost", 1.2, "--what-if", "growth=2", "--what-if", "launch=3,zone-loss",
        "--replica-hour", 0.05, "--unmet-request", 0.001, "--format", "json", "--report", tmp_path / "page.html",
    )  # fmt: skip
    assert said.returncode == 0, said.stderr
    (row, _) = json.loads(said.stdout)
    assert row["careful"] < row["cheap"]
    document = json.loads((tmp_path / "page.json").read_text())
    tables = {table["name"]: table["rows"] for section in document["sections"] for table in section["tables"]}
    scalers = ["default HPA", "tuned HPA", "careful", "cheap", "oracle"]
    worlds = ["as it was", "growth=2", "launch=3,zone-loss"]
    rows = {(row["world"], row["scaler"]): row for row in tables["What if"]}
    assert list(rows) == [(world, scaler) for world in worlds for scaler in scalers]
    oracle = [rows[world, "oracle"]["replica_hours"] for world in worlds]
    assert 1.9 < oracle[1] / oracle[0] < 2.1
    assert 1.0 < oracle[2] / oracle[0] < 1.5
    bills = {row["scaler"]: row["money"] for row in tables["The bill"]}
    assert {scaler: rows["as it was", scaler]["money"] for scaler in scalers} == pytest.approx(bills)


def test_a_policy_says_what_a_replica_serves_where_nobody_else_does(folder, tmp_path):
    (folder / "index.csv").unlink()
    for name, capacity in (("small", 8), ("large", 10)):
        spec = f"bounds: {{maxReplicas: 100}}\nload: {{capacityPerReplica: {capacity}}}\n"
        (tmp_path / f"{name}.yaml").write_text(spec)
    command = ["backtest", "scaling", "--source", folder, "--query", "shop", "--workers", 1]
    small, large = ["--policy", tmp_path / "small.yaml"], ["--policy", tmp_path / "large.yaml"]
    said = run(*command, *small, "--format", "json", cwd=tmp_path)
    assert said.returncode == 0, said.stderr
    given = run(*command, *small, "--capacity-per-replica", 8, "--format", "json", cwd=tmp_path)
    assert json.loads(said.stdout) == json.loads(given.stdout)
    both = run(*command, *small, *large, cwd=tmp_path)
    assert both.returncode == 2
    assert "policies disagree" in both.stderr
    assert (tmp_path / "backtest-scaling.json").read_text().startswith("{")


def test_the_report_is_there_when_nobody_reads_the_table(folder, tmp_path):
    reader, writer = os.pipe()
    os.close(reader)
    subprocess.run(
        [*AIOPS, "backtest", "forecast", "--source", str(folder), "--forecaster", "weekly-naive", "--workers", "1"],
        check=False,
        stdout=writer,
        stderr=subprocess.DEVNULL,
        cwd=tmp_path,
        timeout=110,
    )
    os.close(writer)
    assert "weekly-naive" in (tmp_path / "backtest-forecast.html").read_text()
    assert json.loads((tmp_path / "backtest-forecast.json").read_text())["schema_version"] == 1


def test_inspect_names_what_is_wrong_with_a_series_and_ends_with_5(folder):
    (folder / "broken.csv").write_text("timestamp,value\n1700006400,1\n1700006700,many\n")
    with (folder / "index.csv").open("a") as index:
        index.write("broken,300,1,\n")
    said = run("inspect", "--source", folder, "--format", "json")
    assert said.returncode == 5
    assert [row["series_id"] for row in json.loads(said.stdout)] == ["shop", "search"]
    assert "left out: broken:" in said.stderr
    assert "line 3" in said.stderr


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (["inspect", "--source", "nowhere"], 3, "nowhere"),
        (["inspect", "--source", "http://127.0.0.1:1"], 2, "--query"),
        (["inspect", "--source", "ftp://somewhere"], 2, "http://"),
        (["backtest", "forecast", "--source", "{folder}", "--forecaster", "magic"], 2, "holt-winters"),
        (["backtest", "scaling", "--source", "{folder}", "--query", "none*"], 3, "aiops inspect"),
        (["backtest", "scaling", "--source", "{folder}", "--startup-delay", "soon"], 2, "90s"),
        (["backtest", "scaling", "--source", "{folder}", "--policy", "gone.yaml"], 2, "gone.yaml"),
        (["backtest", "scaling", "--source", "{folder}", "--report", "page.json"], 2, ".html"),
        (["backtest", "scaling", "--source", "{folder}", "--replica-hour", "1"], 2, "--unmet-request"),
        (["backtest", "scaling", "--source", "{folder}", "--what-if", "rain=2"], 2, "growth=1.5, launch=3"),
        (["demo", "--hours", "0"], 2, "--hours"),
        (["train"], 2, "--source or --snapshot"),
        (["train", "--source", "{folder}", "--registry", "postgres://db"], 2, "sqlite:///"),
        (["train", "--source", "{folder}", "--forecaster", "magic"], 2, "holt-winters"),
        (["train", "--snapshot", "gone"], 3, "--source"),
    ],
)
def test_errors_say_what_and_end_with_their_code(folder, tmp_path, arguments, code, words):
    said = run(*(each.format(folder=folder) for each in arguments), cwd=tmp_path)
    assert said.returncode == code, said.stderr
    assert words in " ".join(said.stderr.split())
    assert "Traceback" not in said.stderr


def test_a_prometheus_that_does_not_answer_is_4(tmp_path):
    said = run("inspect", "--source", "http://127.0.0.1:1", "--query", "up", AIOPS_PROMETHEUS__ATTEMPTS="1")
    assert said.returncode == 4
    assert "127.0.0.1:1" in said.stderr


def test_an_unknown_setting_is_2_and_names_the_nearest():
    said = run("inspect", "--source", ".", AIOPS_PROMETHEUS__TOKN="x")
    assert said.returncode == 2
    assert "AIOPS_PROMETHEUS__TOKEN" in said.stderr


def test_a_header_does_not_steer_the_terminal(tmp_path):
    (tmp_path / "bad.csv").write_text("\x1b[2J\a,value\n1,2\n")
    said = run("inspect", "--source", tmp_path / "bad.csv")
    assert said.returncode == 3, said.stderr
    assert r"only \x1b[2J\x07, value: its header" in said.stderr


def test_a_page_that_cannot_be_written_is_named(folder, tmp_path):
    (tmp_path / "file").write_text("")
    said = run(
        "backtest", "scaling", "--source", folder, "--query", "shop", "--report", tmp_path / "file" / "page.html"
    )
    assert said.returncode == 2
    assert "cannot write" in said.stderr
    assert Path(tmp_path / "file").read_text() == ""


@pytest.mark.parametrize(
    ("module", "name", "kept"),
    [("aiops.cli.main", "aiops", "command-line.md"), ("operators.main", "python -m operators", "operator.md")],
)
def test_the_reference_page_is_fresh(tmp_path, module, name, kept):
    page = tmp_path / kept
    command = [
        sys.executable,
        "-m",
        "typer",
        module,
        "utils",
        "docs",
        "--name",
        name,
        "--output",
        str(page),
    ]
    subprocess.run(command, check=True, capture_output=True, timeout=60)
    there = Path(__file__).parents[2] / "docs" / "reference" / kept
    assert there.read_text() == page.read_text(), "run `make docs`"


def test_decisions_are_written_one_file_a_workload(folder, tmp_path):
    command = ["backtest", "scaling", "--source", folder, "--workers", 1, "--decisions", tmp_path / "out"]
    said = run(*command, "--format", "json", cwd=tmp_path)
    assert said.returncode == 0, said.stderr
    assert {path.name for path in (tmp_path / "out").iterdir()} == {"shop.csv", "search.csv"}
    assert not list(tmp_path.glob("backtest-scaling.*")), "a report was not asked for"
    header, *lines = (tmp_path / "out" / "shop.csv").read_text().splitlines()
    assert header == "timestamp,replicas,reason"
    rows = [line.split(",") for line in lines]
    first = 1_700_006_400 + 2 * 86_400  # the later half is scored
    assert [int(at) for at, _, _ in rows] == list(range(first, first + 2 * 86_400, 300))
    assert {reason for _, _, reason in rows} >= {"DesiredWithinRange", "NeededSoon"}
    assert all(5 <= int(replicas) <= 60 for _, replicas, _ in rows)
    shop = next(row for row in json.loads(said.stdout) if row["workload"] == "shop")
    assert (shop["decisions"], shop["most"]) == (len(rows), max(int(replicas) for _, replicas, _ in rows))


def test_a_decision_knows_what_has_ended_by_then_only(folder, tmp_path):
    command = ["backtest", "scaling", "--source", folder, "--query", "shop", "--workers", 1, "--forecaster", "boosted"]
    assert run(*command, "--decisions", tmp_path / "clean").returncode == 0
    header, *lines = (folder / "shop.csv").read_text().splitlines()
    cut = 1000
    wrong = [f"{line.split(',')[0]},900.0" for line in lines[cut:]]
    (folder / "shop.csv").write_text("\n".join([header, *lines[:cut], *wrong]) + "\n")
    assert run(*command, "--decisions", tmp_path / "dirty").returncode == 0
    clean, dirty = ((tmp_path / name / "shop.csv").read_text().splitlines()[1:] for name in ("clean", "dirty"))
    same = cut - len(lines) // 2 + 1  # the decision at the stamp of row i knows rows up to i - 1
    assert clean[:same] == dirty[:same]
    assert clean[same:] != dirty[same:]


@pytest.mark.parametrize(
    ("more", "hint"),
    [(["--forecaster", "boosted", "--forecaster", "last-week"], "of one policy"), (["--query", "none*"], "inspect")],
)
def test_decisions_that_cannot_be_made_say_why(folder, tmp_path, more, hint):
    said = run("backtest", "scaling", "--source", folder, "--decisions", tmp_path / "out", *more)
    assert said.returncode in (2, 3)
    assert hint in said.stderr


def test_decisions_stay_in_their_folder(folder, tmp_path):
    (folder / "index.csv").write_text("name,file,step_s,capacity_per_replica\n../../evil,shop.csv,300,10\n")
    said = run("backtest", "scaling", "--source", folder, "--workers", 1, "--decisions", tmp_path / "out" / "deep")
    assert said.returncode == 2, said.stderr
    assert "outside of" in said.stderr
    assert not list(tmp_path.rglob("evil*"))
