"""Alerts about our own health: promtool reads them, each fires on what it is about and not before, each has a page."""

import re
import subprocess
from pathlib import Path

import pytest
import yaml

from aiops import telemetry
from tests.charts.rendering import CHART, pick, rendered, template
from tools.bootstrap import ROOT
from tools.catalog import find

CASES = yaml.safe_load((Path(__file__).parent / "alerts.yaml").read_text())["tests"]
SOURCE = yaml.safe_load((CHART / "files" / "alerts.yaml").read_text())
ALERTS = [rule["alert"] for rules in SOURCE.values() for rule in rules]
RUNBOOKS = ROOT / "docs" / "runbooks"
# Of the Prometheus that scrapes, or put on by it; the rest are ours.
NOT_OURS = {"up"}
OF_THE_TARGET = {"namespace", "job"}


def rule_of(alert):
    groups = pick("monitored", "PrometheusRule", "aiops")["spec"]["groups"]
    (found,) = [rule for group in groups for rule in group["rules"] if rule["alert"] == alert]
    return found


@pytest.fixture
def folder(tmp_path):
    """The rendered rules, as Prometheus reads them, beside the cases."""
    groups = pick("monitored", "PrometheusRule", "aiops")["spec"]["groups"]
    (tmp_path / "rules.yaml").write_text(yaml.safe_dump({"groups": groups}))
    (tmp_path / "alerts.yaml").write_text((Path(__file__).parent / "alerts.yaml").read_text())
    return tmp_path


def promtool(*arguments):
    return subprocess.run([find("promtool"), *arguments], capture_output=True, text=True, check=False)


def test_promtool_accepts_the_rules(folder):
    done = promtool("check", "rules", folder / "rules.yaml")
    assert done.returncode == 0, done.stdout + done.stderr
    assert f"{len(ALERTS)} rules found" in done.stdout


def test_each_alert_fires_on_its_case_and_not_before(folder):
    done = promtool("test", "rules", folder / "alerts.yaml")
    assert done.returncode == 0, done.stdout + done.stderr


def test_each_alert_has_a_case_in_which_it_is_silent_first_and_then_fires():
    assert sorted(case["name"] for case in CASES) == sorted(ALERTS)
    for case in CASES:
        before, after = case["alert_rule_test"]
        assert before["alertname"] == after["alertname"] == case["name"]
        assert before["exp_alerts"] == []
        assert len(after["exp_alerts"]) == 1


def test_a_case_that_is_wrong_is_noticed(folder):
    """Or the tests above would mean nothing."""
    text = (folder / "alerts.yaml").read_text()
    (folder / "alerts.yaml").write_text(text.replace("eval_time: 17m", "eval_time: 14m", 1))
    assert promtool("test", "rules", folder / "alerts.yaml").returncode != 0


@pytest.mark.parametrize("alert", ALERTS)
def test_metrics_and_labels_of_a_rule_are_those_that_we_export(alert):
    expression = rule_of(alert)["expr"]
    found = re.findall(r"\b([a-z][a-z_]*)\{([^}]*)\}", expression)
    assert found
    labels = {label for _, matchers in found for label in re.findall(r"(\w+)\s*=", matchers)} - OF_THE_TARGET
    labels |= {name for group in re.findall(r"by \(([^)]*)\)", expression) for name in group.split(", ")}
    for name in {name for name, _ in found} - NOT_OURS:
        _, ours = telemetry._METRICS[name]
        assert labels <= set(ours), name


@pytest.mark.parametrize("alert", ALERTS)
def test_each_alert_says_what_to_do_about_it(alert):
    rule = rule_of(alert)
    assert rule["labels"]["severity"] in ("page", "ticket")
    page = ROOT / rule["annotations"]["runbook_url"]
    assert page.parent == RUNBOOKS
    lines = page.read_text().splitlines()
    assert lines[0] == f"# {alert}"
    assert "## Do" in lines
    named = re.findall(r"\baiops_[a-z_]+[a-z]", "\n".join(lines))
    assert {name.removesuffix("_bucket") for name in named} <= set(telemetry._METRICS)


def test_no_runbook_is_left_of_an_alert_that_is_gone():
    assert {page.stem for page in RUNBOOKS.glob("*.md")} == set(ALERTS)


def test_runbooks_can_be_read_elsewhere_and_alerts_carry_labels_of_their_owner():
    values = {
        "serviceMonitor": {"enabled": True},
        "prometheusRule": {
            "enabled": True, "runbookBaseUrl": "https://wiki.example/aiops", "alertLabels": {"team": "sre"},
        },
    }  # fmt: skip
    done = template(values, "--show-only=templates/monitoring/prometheusrule.yaml")
    for group in yaml.safe_load(done.stdout)["spec"]["groups"]:
        for rule in group["rules"]:
            assert rule["annotations"]["runbook_url"] == f"https://wiki.example/aiops/{rule['alert']}.md"
            assert rule["labels"]["team"] == "sre"


def test_what_is_not_installed_has_no_alerts():
    (one,) = [each for each in rendered("monitored server") if each["kind"] == "PrometheusRule"]
    assert [group["name"] for group in one["spec"]["groups"]] == ["demo-aiops-server"]
