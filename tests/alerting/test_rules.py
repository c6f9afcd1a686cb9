"""From scores to alerts: onset, hysteresis, escalation, silence. One minute a point."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from aiops.alerting.alert import Alert, Severity, Status
from aiops.alerting.explain import Subject
from aiops.alerting.rules import CALM, AlertRule, Condition, advance
from aiops.detection.score import AnomalyScore
from aiops.errors import ConfigError
from aiops.series import SeriesKey

START = datetime(2026, 3, 2, 3, 0, tzinfo=UTC)
MINUTE = timedelta(minutes=1)
KEY = SeriesKey.of("http_requests", {"service": "checkout"})
SUBJECT = Subject(key=KEY, step=MINUTE, unit="requests/second", runbook="https://runbooks.example/checkout")
RULE = AlertRule(
    page_after=3 * MINUTE,
    ticket_after=5 * MINUTE,
    clear_after=2 * MINUTE,
    shift_after=6 * MINUTE,
    silent_after=4 * MINUTE,
    forget_after=10 * MINUTE,
)
CALM_POINT, LUKEWARM, ODD, TERRIBLE, GAP, WARMING = 0.5, 0.995, 0.9995, 0.99999, None, -1.0


def score(minute: int, value: float | None) -> AnomalyScore:
    return AnomalyScore(
        key=KEY,
        at=START + minute * MINUTE,
        observed=float("nan") if value is None else 1320.0,
        expected=820.0,
        lower=700.0,
        upper=950.0,
        value=max(value or 0.0, 0.0),
        detector="residual",
        warming_up=value == WARMING,
    )


def told(*values: float | None, rule: AlertRule = RULE) -> list[tuple[int, Alert]]:
    """Return (minute, alert) of every change."""
    condition, found = CALM, []
    for minute, value in enumerate(values):
        condition, changes = advance(rule, condition, score(minute, value), SUBJECT)
        found += [(minute, alert) for alert in changes]
    return found


def brief(found: list[tuple[int, Alert]]) -> list[tuple[int, str, str]]:
    return [(minute, alert.severity.value, alert.status.value) for minute, alert in found]


def test_of_equally_odd_points_the_farthest_is_told():
    condition = CALM
    for minute, observed in enumerate([900.0, 8200.0, 960.0]):
        condition, _ = advance(RULE, condition, replace(score(minute, TERRIBLE), observed=observed), SUBJECT)
    assert condition.alert is not None
    assert condition.alert.annotations["observed"] == "8.2 k requests/second"


def test_what_it_was_called_at_first_by_the_values_before_it_is_called_at_its_end():
    def history() -> np.ndarray:
        return np.linspace(820.0, 1320.0, 60)  # it crept there, which no single point says

    condition, kinds = CALM, []
    for minute, value in enumerate([*[TERRIBLE] * 12, CALM_POINT, CALM_POINT]):
        subject = replace(SUBJECT, history=history)
        condition, changes = advance(RULE, condition, score(minute, value), subject)
        kinds += [(each.status.value, each.annotations["kind"]) for each in changes]
    assert kinds == [("firing", "trend"), ("resolved", "trend")]


def test_three_terrible_minutes_page_and_two_calm_ones_resolve():
    found = told(CALM_POINT, *[TERRIBLE] * 4, CALM_POINT, CALM_POINT)
    assert brief(found) == [(3, "page", "firing"), (6, "page", "resolved")]
    fired, ended = (alert for _, alert in found)
    assert fired.starts_at == ended.starts_at == START + MINUTE, "since the first odd point"
    assert ended.ends_at == START + 7 * MINUTE, "when the second calm point was known"
    assert fired.fingerprint == ended.fingerprint


def test_two_terrible_minutes_tell_nobody():
    assert told(CALM_POINT, TERRIBLE, TERRIBLE, CALM_POINT, TERRIBLE, TERRIBLE, LUKEWARM, TERRIBLE) == []


def test_odd_for_longer_is_a_ticket():
    assert brief(told(*[ODD] * 8)) == [(4, "ticket", "firing")]


def test_a_ticket_that_becomes_a_page_is_resolved_as_a_ticket():
    found = told(*[ODD] * 5, *[TERRIBLE] * 5)
    assert brief(found) == [(4, "ticket", "firing"), (7, "ticket", "resolved"), (7, "page", "firing")]
    assert found[0][1].fingerprint == found[1][1].fingerprint != found[2][1].fingerprint
    assert {alert.starts_at for _, alert in found} == {START}


def test_a_page_does_not_become_a_ticket():
    assert brief(told(*[TERRIBLE] * 3, *[ODD] * 20)) == [(2, "page", "firing")]


def test_between_the_thresholds_an_alert_stays_as_it_is():
    assert brief(told(*[TERRIBLE] * 3, *[LUKEWARM] * 30)) == [(2, "page", "firing")]
    assert told(*[LUKEWARM] * 30) == []


def test_calm_points_must_come_in_a_row():
    found = told(*[TERRIBLE] * 3, CALM_POINT, LUKEWARM, CALM_POINT, ODD, CALM_POINT, CALM_POINT)
    assert brief(found) == [(2, "page", "firing"), (8, "page", "resolved")]


def test_a_gap_adds_nothing_and_takes_nothing_away():
    assert brief(told(TERRIBLE, GAP, TERRIBLE, GAP, GAP, TERRIBLE)) == [(5, "page", "firing")]
    assert brief(told(TERRIBLE, TERRIBLE, GAP, GAP, GAP)) == []
    assert brief(told(*[TERRIBLE] * 3, CALM_POINT, GAP, GAP, CALM_POINT))[1:] == [(6, "page", "resolved")]


def test_a_series_that_warms_up_tells_nobody_and_resolves_nothing():
    assert told(*[WARMING] * 20) == []
    assert brief(told(*[TERRIBLE] * 3, *[WARMING] * 20)) == [(2, "page", "firing")]


def test_a_silent_series_is_a_ticket_and_its_return_resolves_it():
    found = told(CALM_POINT, *[GAP] * 6, CALM_POINT)
    assert brief(found) == [(4, "ticket", "firing"), (7, "ticket", "resolved")]
    assert found[0][1].labels["alertname"] == "SeriesSilent"
    assert found[0][1].starts_at == START + MINUTE, "when the first missing value should have come"
    assert found[0][1].annotations["summary"] == "http_requests of checkout: no data for 4 min"
    assert found[1][1].annotations["summary"] == "http_requests of checkout: data again, after 6 min without"
    assert found[0][1].fingerprint == found[1][1].fingerprint


def test_a_series_that_was_never_seen_is_not_silent():
    assert told(*[GAP] * 30) == []


def test_an_alert_outlives_silence_until_the_series_is_taken_for_removed():
    found = told(*[TERRIBLE] * 3, *[GAP] * 12)
    assert brief(found) == [
        (2, "page", "firing"),
        (6, "ticket", "firing"),
        (12, "page", "resolved"),
        (12, "ticket", "resolved"),
    ]
    assert "taken for removed" in found[2][1].annotations["summary"]


def test_labels_are_identity_only():
    found = told(*[TERRIBLE] * 3, CALM_POINT, CALM_POINT)
    assert found[0][1].labels == {
        "alertname": "SeriesAnomalous",
        "severity": "page",
        "metric": "http_requests",
        "service": "checkout",
    }
    assert found[0][1].labels == found[1][1].labels


def test_labels_of_the_series_do_not_replace_ours():
    subject = Subject(key=SeriesKey.of("up", {"severity": "x", "alertname": "y"}), step=MINUTE)
    condition = CALM
    for minute in range(3):
        condition, changes = advance(RULE, condition, score(minute, TERRIBLE), subject)
    assert dict(changes[0].labels) == {
        "alertname": "SeriesAnomalous",
        "severity": "page",
        "metric": "up",
        "series_alertname": "y",
        "series_severity": "x",
    }


steps = st.lists(st.sampled_from([CALM_POINT, LUKEWARM, ODD, TERRIBLE, GAP, WARMING]), max_size=60)


@given(steps)
def test_every_alert_fires_once_and_is_resolved_once_and_silence_never_pages(values):
    firing: dict[str, Alert] = {}
    for _, alert in told(*values):
        if alert.status is Status.FIRING:
            assert alert.fingerprint not in firing
            firing[alert.fingerprint] = alert
        else:
            began = firing.pop(alert.fingerprint)
            assert alert.starts_at == began.starts_at
            assert alert.ends_at is not None
            assert alert.ends_at > alert.starts_at
        assert alert.labels["severity"] == alert.severity.value
        if alert.labels["alertname"] == "SeriesSilent":
            assert alert.severity is Severity.TICKET
    assert len(firing) <= 2


@given(steps, st.integers(0, 60), steps)
def test_what_was_told_does_not_depend_on_what_comes_later(values, cut, other):
    until = min(cut, len(values))
    early = [each for each in told(*values) if each[0] < until]
    assert [each for each in told(*values[:until], *other) if each[0] < until] == early


@given(steps)
def test_missing_points_never_page(values):
    """The change that makes a page comes with an observed point, and without gaps it would have come as well."""
    pages = [minute for minute, alert in told(*values) if alert.severity is Severity.PAGE and alert.ends_at is None]
    assert all(values[minute] == TERRIBLE for minute in pages)
    observed = [value for value in values if value is not GAP]
    without = [alert for _, alert in told(*observed) if alert.severity is Severity.PAGE and alert.ends_at is None]
    assert len(pages) <= len(without) + values.count(GAP) // 10  # a series taken for removed may page again


def test_a_condition_is_a_value():
    condition, _ = advance(RULE, CALM, score(0, TERRIBLE), SUBJECT)
    again, _ = advance(RULE, CALM, score(0, TERRIBLE), SUBJECT)
    assert condition == again != CALM
    assert Condition() == CALM


@pytest.mark.parametrize(
    "wrong",
    [
        {"ticket_score": 0.99999},
        {"clear_score": 0.0},
        {"page_score": 1.5},
        {"page_after": timedelta(0)},
        {"silent_after": timedelta(days=2)},
    ],
)
def test_a_rule_that_contradicts_itself_is_refused(wrong):
    with pytest.raises(ConfigError, match="alert rule: "):
        AlertRule(**wrong)
