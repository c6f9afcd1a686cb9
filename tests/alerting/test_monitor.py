"""The file of watched queries: what it may say, and what is said of everything else."""

import sys
from datetime import timedelta

import pytest
import yaml

from aiops.adapters.monitor_file import MonitorFile
from aiops.alerting.monitor import load_monitors
from aiops.alerting.rules import AlertRule
from aiops.errors import ConfigError

HEAD = "apiVersion: aiops.dev/v1alpha1\nkind: AnomalyMonitor\n"
WHOLE = """\
apiVersion: aiops.dev/v1alpha1
kind: AnomalyMonitor
metadata:
  name: checkout
spec:
  query: sum by (service) (rate(http_requests_total[1m]))
  step: 30s
  history: 7d
  settle: 20s
  runbook: https://example.com/runbooks/traffic
  labels: {team: shop}
  rule:
    pageScore: 0.99999
    pageAfter: 2m
---
apiVersion: aiops.dev/v1alpha1
kind: AnomalyMonitor
metadata: {name: latency}
spec: {query: latency}
"""


def test_a_file_says_what_is_watched():
    checkout, latency = load_monitors(WHOLE)
    assert checkout.name == "checkout"
    assert checkout.spec.step == timedelta(seconds=30)
    assert checkout.spec.rule.alert_rule == AlertRule(page_score=0.99999, page_after=timedelta(minutes=2))
    assert checkout.alert_labels == {"team": "shop", "monitor": "checkout"}
    assert latency.spec.rule.alert_rule == AlertRule()
    assert latency.spec.history == timedelta(days=14)
    assert load_monitors("") == load_monitors("---\n---\n") == ()


def monitor(spec, name="m", head=HEAD):
    return f"{head}metadata: {{name: {name}}}\nspec:\n  {spec}\n"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("a: [", "f.yaml:1: not YAML: expected the node content"),
        ("just text", "f.yaml:1: the monitor is 'just text': write keys and values"),
        ("- 1", "f.yaml:1: the monitor is [1]: write keys and values"),
        ("kind: Monitor", "f.yaml:1: kind is 'Monitor': write 'AnomalyMonitor'"),
        (monitor("query: a", head="kind: AnomalyMonitor\n"), "f.yaml:1: apiVersion is missing"),
        (
            monitor("query: a", head=HEAD.replace("alpha1", "")),
            "apiVersion is 'aiops.dev/v1': write 'aiops.dev/v1alpha1'",
        ),
        (monitor("query: a", name="A_B"), "f.yaml:3: metadata.name is 'A_B': it is not a label"),
        (monitor("step: 1m"), "f.yaml:4: spec.query is missing: write it"),
        (monitor("query: ' '"), "f.yaml:5: spec.query is ' ': it is empty: write PromQL"),
        (monitor("query: 5"), "f.yaml:5: spec.query is 5: input should be a valid string"),
        (
            monitor("query: a\n  detectors: fleet"),
            "f.yaml:6: spec.detectors is 'fleet': write a list, as in [fleet]",
        ),
        (monitor("querry: a"), "f.yaml:5: spec.querry is not a key: did you mean query?"),
        (monitor("query: a\n  query: b"), "f.yaml:6: spec.query is here and in line 5: keep one of them"),
        (monitor("query: a\n  step: 60"), "f.yaml:6: spec.step is 60: 60 has no unit: write it like 90s"),
        (monitor("query: a\n  step: 0s"), "f.yaml:6: spec.step is '0s': it has to be longer than 0s"),
        (monitor("query: a\n  history: 60d"), "f.yaml:4: spec: history must be between one step and 28d"),
        (monitor("query: a\n  step: 10s\n  history: 28d"), "hold 100,000 steps at most; got 241,920 steps"),
        (monitor("query: a\n  labels: {severity: none}"), "labels severity are given by us: choose another name"),
        (monitor("query: a\n  rule: {pageScore: 1.5}"), "f.yaml:6: spec.rule.pageScore is 1.5: input should be less"),
        (monitor("query: a\n  detectors: [adwin, magic]"), "distinct names out of fleet, residual, halfspace"),
        (monitor("query: a\n  detectors: [adwin, adwin]"), "; got adwin, adwin"),
        (monitor("query: a\n  together: magic"), "f.yaml:6: spec.together is 'magic'"),
        (monitor("query: a\n  together: ecod\n  groupBy: []"), "groupBy has to say what is one"),
        (monitor("query: a\n  rule: {pageScore: 0.5}"), "0 < clear_score <= ticket_score <= page_score <= 1"),
        (
            monitor("query: a\n  rule: {pageAftr: 1m}"),
            "f.yaml:6: spec.rule.pageAftr is not a key: did you mean pageAfter?",
        ),
        (monitor("query: a") + "---\n" + monitor("query: b"), "f.yaml:9: metadata.name m is there 2 times: rename one"),
        ("a: &x [*x]", "f.yaml: it is nested without end, or an alias holds itself"),
    ],
)
def test_what_is_wrong_is_said_with_its_line(text, said):
    with pytest.raises(ConfigError) as raised:
        load_monitors(text, "f.yaml")
    assert said in str(raised.value)


def test_a_method_that_needs_what_is_not_installed_is_refused_before_anything_is_watched(monkeypatch):
    monkeypatch.setitem(sys.modules, "pyod", None)
    with pytest.raises(ConfigError, match=r"spec.together .*needs pyod: install aiops\[train\], or choose ecod"):
        load_monitors(monitor("query: a\n  together: iforest"), "f.yaml")


def test_everything_that_is_wrong_is_said_at_once():
    with pytest.raises(ConfigError) as raised:
        load_monitors(monitor("querry: a") + "---\n" + monitor("query: a\n  step: 5", name="n"), "f.yaml")
    assert len(str(raised.value).splitlines()) == 3


def test_the_file_is_read_again_when_its_content_changes(tmp_path):
    path = tmp_path / "monitors.yaml"
    path.write_text(WHOLE)
    file = MonitorFile(path)
    assert len(file.changed() or ()) == 2
    assert file.changed() is None
    path.write_text(yaml.safe_dump_all(list(yaml.safe_load_all(WHOLE))[:1]))
    assert [each.name for each in file.changed() or ()] == ["checkout"]
    path.write_text("kind: Wrong")
    with pytest.raises(ConfigError, match="AnomalyMonitor"):
        file.changed()
    assert file.changed() is None, "it is said once"
    other = tmp_path / "other.yaml"
    other.write_bytes(b"\xff")
    path.unlink()
    path.symlink_to(other)
    with pytest.raises(ConfigError, match="not UTF-8"):
        file.changed()
    path.unlink()
    with pytest.raises(ConfigError, match=r"cannot read .*: No such file or directory; --watch names the file"):
        file.changed()
