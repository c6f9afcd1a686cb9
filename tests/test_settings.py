"""Settings from the environment: what is read, and which mistakes are named."""

import os
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from pydantic import ValidationError

from aiops import wiring
from aiops.adapters.clock import SystemClock
from aiops.errors import ConfigError
from aiops.settings import PrometheusSettings, Settings, variables


@pytest.fixture(autouse=True)
def _empty_environment(monkeypatch):
    for name in list(os.environ):
        if name.upper().startswith("AIOPS_"):
            monkeypatch.delenv(name)


def test_without_anything_set_both_servers_are_local():
    settings = Settings.from_environment()
    assert str(settings.prometheus.url) == "http://localhost:9090/"
    assert str(settings.alertmanager.url) == "http://localhost:9093/"
    assert settings.prometheus.token is None


def test_each_group_is_set_by_its_variables(monkeypatch):
    monkeypatch.setenv("AIOPS_PROMETHEUS__URL", "https://prometheus.example/prefix")
    monkeypatch.setenv("AIOPS_PROMETHEUS__TOKEN", "s3cret")
    monkeypatch.setenv("AIOPS_PROMETHEUS__TIMEOUT", "1m30s")
    monkeypatch.setenv("AIOPS_PROMETHEUS__HEADERS", '{"X-Scope-OrgID": "shop"}')
    settings = Settings.from_environment().prometheus
    assert str(settings.url) == "https://prometheus.example/prefix"
    assert settings.token is not None
    assert settings.token.get_secret_value() == "s3cret"
    assert settings.timeout == timedelta(seconds=90)
    assert settings.headers["X-Scope-OrgID"].get_secret_value() == "shop"


def test_the_clock_is_the_machines_until_a_rehearsal_is_set(monkeypatch):
    assert isinstance(wiring.clock(Settings.from_environment()), SystemClock)
    monkeypatch.setenv("AIOPS_CLOCK__START", "2026-01-31T13:00:00+01:00")
    monkeypatch.setenv("AIOPS_CLOCK__ANCHOR", datetime.now(UTC).isoformat())
    monkeypatch.setenv("AIOPS_CLOCK__SPEED", "30")
    now = wiring.clock(Settings.from_environment()).now()
    assert datetime(2026, 1, 31, 12, tzinfo=UTC) <= now < datetime(2026, 1, 31, 12, 10, tzinfo=UTC)


def test_a_header_can_be_set_alone(monkeypatch):
    monkeypatch.setenv("AIOPS_PROMETHEUS__HEADERS__x-scope-orgid", "shop")
    assert [name.lower() for name in Settings.from_environment().prometheus.headers] == ["x-scope-orgid"]


def test_a_group_can_be_set_as_json(monkeypatch):
    monkeypatch.setenv("AIOPS_PROMETHEUS", '{"max_series": 5}')
    assert Settings.from_environment().prometheus.max_series == 5


def test_the_folder_of_test_data_is_not_ours_and_does_no_harm(monkeypatch):
    before = Settings.from_environment()
    monkeypatch.setenv("AIOPS_DATA_DIR", "/somewhere")
    assert Settings.from_environment() == before


@pytest.mark.parametrize(
    ("name", "meant"),
    [
        ("AIOPS_PROMETHEUS_URL", "AIOPS_PROMETHEUS__URL"),
        ("AIOPS_PROMETHEUS__TOKN", "AIOPS_PROMETHEUS__TOKEN"),
        ("AIOPS_ALERTMANGER__URL", "AIOPS_ALERTMANAGER__URL"),
    ],
)
def test_an_unknown_name_is_refused_with_the_closest_known_one(monkeypatch, name, meant):
    monkeypatch.setenv(name, "x")
    with pytest.raises(ConfigError, match=f"{name} in the environment: did you mean {meant}"):
        Settings.from_environment()


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        ("AIOPS_PROMETHEUS__URL", "prometheus:9090", "AIOPS_PROMETHEUS__URL: .*URL"),
        ("AIOPS_PROMETHEUS__URL", "http://ann:pw@localhost", "user and password go to username"),
        ("AIOPS_PROMETHEUS__TIMEOUT", "0s", "AIOPS_PROMETHEUS__TIMEOUT: .*longer than nothing"),
        ("AIOPS_PROMETHEUS__TIMEOUT", "soon", "AIOPS_PROMETHEUS__TIMEOUT: 'soon' is not a length of time"),
        ("AIOPS_PROMETHEUS__CA_FILE", "/nowhere/ca.pem", "AIOPS_PROMETHEUS__CA_FILE: .*file"),
        ("AIOPS_PROMETHEUS__USERNAME", "ann", "username and password come together"),
        ("AIOPS_PROMETHEUS__HEADERS", "X: y", "AIOPS_PROMETHEUS__HEADERS"),
        ("AIOPS_PROMETHEUS", "{", "JSON"),
        ("AIOPS_CLOCK__START", "2026-01-31T12:00:00Z", "start and anchor come together"),
        ("AIOPS_CLOCK__START", "2026-01-31T12:00:00", "AIOPS_CLOCK__START: .*timezone"),
        ("AIOPS_CLOCK__SPEED", "30", "speed needs start and anchor"),
        ("AIOPS_CLOCK__SPEED", "0", "AIOPS_CLOCK__SPEED: .*greater than 0"),
        ("AIOPS_PROMETHEUS", '{"tokn": "s3cret"}', "AIOPS_PROMETHEUS__TOKN: .*not permitted"),
    ],
)
def test_a_wrong_value_is_named_by_its_variable(monkeypatch, name, value, said):
    monkeypatch.setenv(name, value)
    with pytest.raises(ConfigError, match=said):
        Settings.from_environment()


def test_no_message_shows_a_value_that_may_be_a_secret(monkeypatch):
    monkeypatch.setenv("AIOPS_PROMETHEUS__TOKEN", "s3cret")
    monkeypatch.setenv("AIOPS_PROMETHEUS__USERNAME", "ann")
    monkeypatch.setenv("AIOPS_PROMETHEUS__PASSWORD", "s3cret")
    with pytest.raises(ConfigError, match="not both") as caught:
        Settings.from_environment()
    assert "s3cret" not in str(caught.value)
    assert caught.value.__cause__ is None


def test_settings_do_not_change():
    with pytest.raises(ValidationError, match="frozen"):
        PrometheusSettings().max_series = 1  # type: ignore[misc]


def test_another_address_keeps_the_rest(monkeypatch):
    there = PrometheusSettings(token="s3cret", max_series=7).at("http://other:9090")
    assert (str(there.url), there.max_series) == ("http://other:9090/", 7)
    assert there.token is not None
    with pytest.raises(ConfigError, match="no address of a Prometheus"):
        there.at("ftp://other")


def test_every_variable_is_listed():
    assert "AIOPS_PROMETHEUS__CLIENT_KEY_FILE" in variables()
    assert "AIOPS_ALERTMANAGER__URL" in variables()


def test_the_reference_page_lists_every_setting():
    page = (Path(__file__).parents[1] / "docs" / "reference" / "settings.md").read_text()
    names = [name for name in variables() if "__" in name]
    assert len(names) > 10
    assert [name for name in names if f"`{name}`" not in page] == []


def test_what_a_job_does_is_a_setting_and_a_run_may_say_otherwise(monkeypatch):
    monkeypatch.setenv("AIOPS_TRAINING__FORECASTERS", "holt-winters, ets")
    monkeypatch.setenv("AIOPS_TRAINING__HORIZON", "1d")
    said = Settings.from_environment().training
    assert (said.forecasters, said.horizon) == (("holt-winters", "ets"), timedelta(days=1))
    changed = said.changed({"horizon": "6h", "step": None, "query": "", "forecasters": []})
    assert (changed.horizon, changed.step, changed.query) == (timedelta(hours=6), timedelta(minutes=5), None)
    assert changed.forecasters == said.forecasters
    assert said.changed(changed.model_dump(mode="json")) == changed
