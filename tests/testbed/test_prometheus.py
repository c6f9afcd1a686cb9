"""The real Prometheus and Alertmanager: they start as asked, and alerts find their way."""

import time
from datetime import timedelta

import httpx
import pytest
import yaml

import testbed.alertmanager
import testbed.prometheus
import tools.catalog
from testbed.webhook import webhook
from tools.catalog import ToolMissingError


def flags(server):
    return httpx.get(f"{server.url}/api/v1/status/flags").json()["data"]


def test_prometheus_keeps_old_history_and_takes_remote_writes(prometheus):
    assert flags(prometheus)["storage.tsdb.retention.time"] == "10y"
    assert flags(prometheus)["web.enable-remote-write-receiver"] == "true"
    config = yaml.safe_load(httpx.get(f"{prometheus.url}/api/v1/status/config").json()["data"]["yaml"])
    assert config["storage"]["tsdb"]["out_of_order_time_window"] == "40d"


def test_prometheus_has_the_version_that_was_asked_for(prometheus):
    assert httpx.get(f"{prometheus.url}/api/v1/status/buildinfo").json()["data"]["version"].startswith("2.42.")


def test_alertmanager_has_the_version_that_was_asked_for(alertmanager):
    found = httpx.get(f"{alertmanager.url}/api/v2/status").json()
    assert found["versionInfo"]["version"].startswith("0.25.")
    assert found["cluster"]["status"] == "disabled"


def test_a_fresh_prometheus_is_another_one_and_empty(prometheus, fresh_prometheus):
    assert fresh_prometheus.url != prometheus.url
    assert httpx.get(f"{fresh_prometheus.url}/api/v1/label/__name__/values").json()["data"] == []


def test_an_alert_travels_from_a_rule_to_the_webhook(tmp_path):
    rules = tmp_path / "rules.yml"
    rule = {"alert": "Always", "expr": "vector(1)", "labels": {"severity": "ticket"}}
    rules.write_text(yaml.safe_dump({"groups": [{"name": "always", "rules": [rule]}]}))
    with (
        webhook() as hook,
        testbed.alertmanager.alertmanager(webhook_url=hook.url) as router,
        testbed.prometheus.prometheus(
            rule_files=[rules], alertmanager_url=router.url, evaluate_every=timedelta(seconds=1)
        ),
    ):
        (first, *_) = hook.wait_for(lambda received: len(received) > 0, within_seconds=60)
    assert first["status"] == "firing"
    assert first["alerts"][0]["labels"] == {"alertname": "Always", "severity": "ticket"}


def test_prometheus_scrapes_what_it_is_told_to(alertmanager):
    target = alertmanager.url.removeprefix("http://")
    jobs = [{"job_name": "alertmanager", "static_configs": [{"targets": [target]}]}]
    with testbed.prometheus.prometheus(scrape_configs=jobs, evaluate_every=timedelta(milliseconds=200)) as server:
        deadline = time.monotonic() + 30
        while time.monotonic() < deadline:
            found = httpx.get(f"{server.url}/api/v1/query", params={"query": "alertmanager_build_info"}).json()
            if found["data"]["result"]:
                break
            time.sleep(0.1)
    assert found["data"]["result"][0]["metric"]["job"] == "alertmanager"


def test_a_missing_program_says_how_to_get_it(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    with (
        pytest.raises(ToolMissingError, match=r"^prometheus is not in .*; get it with: make tools$"),
        testbed.prometheus.prometheus(),
    ):
        pytest.fail("must not be entered")


def test_a_missing_program_of_the_slow_tests_says_how_to_get_it_too(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    with pytest.raises(
        ToolMissingError, match=r"^prometheus-3 is not in .*; get it with: python3 -m tools prometheus3$"
    ):
        tools.catalog.find("prometheus-3")


def test_a_program_that_no_tool_brings_is_named_with_the_known_ones():
    with pytest.raises(
        ToolMissingError, match=r"'thanos'; the catalog has: alertmanager, amtool, .*prometheus, .*promtool"
    ):
        tools.catalog.find("thanos")
