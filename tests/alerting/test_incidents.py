"""What belongs together is told once, everything is counted, and budgets are kept."""

import math
from collections import Counter
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aiops.alerting.alert import Alert, Severity, Status
from aiops.alerting.incidents import Gathering, Incidents
from aiops.alerting.rules import AlertRule

START = datetime(2026, 3, 2, tzinfo=UTC)
SECOND, MINUTE, WEEK = timedelta(seconds=1), timedelta(minutes=1), timedelta(days=7)


def series(service: str, pod: str = "a", at: datetime = START, **given) -> Alert:
    severity = given.pop("severity", Severity.PAGE)
    name = given.pop("name", "SeriesAnomalous")
    labels = {"alertname": name, "severity": severity.value, "service": service, "pod": pod}
    said = {"summary": f"{pod} of {service}: 9, expected 1", "series": f"{service}/{pod}", "kind": "spike"}
    given = {"status": Status.FIRING, "starts_at": at, "score": 0.99995, **given}
    return Alert(severity=severity, labels=labels, annotations=said, scope={"service": service}, **given)


def ended(alert: Alert, at: datetime) -> Alert:
    return series(
        alert.labels["service"],
        alert.labels["pod"],
        alert.starts_at,
        severity=alert.severity,
        status=Status.RESOLVED,
        ends_at=at,
    )


def incidents(**rule) -> Incidents:
    found = AlertRule(**rule)
    return Incidents(lambda _: found)


def brief(alerts) -> list[tuple[str, str, str]]:
    return [
        (each.labels.get("service", each.labels["alertname"]), each.severity.value, each.status.value)
        for each in alerts
    ]


def test_series_of_a_service_are_one_incident_that_ends_with_the_last_of_them():
    found = incidents()
    first, second = series("shop", "a"), series("shop", "b", START + 2 * MINUTE, score=0.9999999)
    found.take([first], START + 3 * MINUTE)
    found.take([second], START + 3 * MINUTE + 5 * SECOND)
    assert found.flush(START + 3 * MINUTE + 10 * SECOND).alerts == (), "more may come"
    (alert,) = found.flush(START + 3 * MINUTE + 15 * SECOND).alerts
    assert alert.labels == {"alertname": "SeriesAnomalous", "severity": "page", "service": "shop"}
    assert alert.starts_at == START
    assert (alert.annotations["series_count"], alert.annotations["series"]) == ("2", "shop/b"), "the oddest"
    assert alert.annotations["related"] == "shop/a (spike)"
    assert alert.annotations["summary"].startswith("shop: 2 series odd since 2026-03-02 00:00 UTC; the oddest: b of")
    found.take([ended(second, START + 9 * MINUTE)], START + 9 * MINUTE)
    (news,) = found.flush(START + 9 * MINUTE).alerts
    assert (news.status, news.annotations["series_open"]) == (Status.FIRING, "1")
    assert news.fingerprint == alert.fingerprint
    found.take([ended(first, START + 10 * MINUTE)], START + 10 * MINUTE)
    (end,) = found.flush(START + 10 * MINUTE).alerts
    assert (end.status, end.ends_at, end.fingerprint) == (
        Status.RESOLVED,
        START + 10 * MINUTE,
        alert.fingerprint,
    )
    assert found.open == []
    assert found.flush(START + WEEK).alerts == ()


def test_a_new_onset_in_a_service_that_has_been_odd_for_long_is_another_incident():
    found = incidents()
    found.take([series("shop", "a")], START)
    found.flush(START + MINUTE)
    later = START + timedelta(hours=5)
    found.take([series("shop", "b", later)], later)
    (alert,) = found.flush(later + MINUTE).alerts
    assert alert.labels["incident"] == "2", "silencing or acknowledging the old one does not hide it"
    assert alert.annotations["series_count"] == "1"


def test_a_ticket_that_becomes_a_page_is_one_incident():
    found = incidents()
    ticket, page = series("shop", severity=Severity.TICKET), series("shop")
    found.take([ticket], START)
    assert brief(found.flush(START + MINUTE).alerts) == [("shop", "ticket", "firing")]
    found.take([ended(ticket, START + 2 * MINUTE), page], START + 2 * MINUTE)
    assert brief(found.flush(START + 2 * MINUTE).alerts) == [
        ("shop", "ticket", "resolved"),
        ("shop", "page", "firing"),
    ]


def test_what_is_over_before_anybody_was_told_bothers_nobody():
    found = incidents()
    found.take([series("shop")], START)
    found.take([ended(series("shop"), START + SECOND)], START + SECOND)
    news = found.flush(START + MINUTE)
    assert news.alerts == ()
    assert news.outcomes == (("over", Severity.PAGE),)
    assert found.open == []


arrivals = st.lists(
    st.tuples(st.integers(0, 400), st.integers(0, 3), st.integers(0, 600), st.sampled_from(["Anomalous", "Silent"])),
    min_size=1,
    max_size=300,
    unique_by=lambda each: (each[0], each[1], each[3]),
)


@given(arrivals)
def test_a_storm_is_a_handful_of_alerts_that_count_every_series_once(given):
    """Whatever begins within ten minutes, in however many services: a few alerts, and all series in them."""
    found = incidents()
    told: dict[str, Alert] = {}
    times: Counter[str] = Counter()
    for second in range(0, 700, 5):
        now = START + second * SECOND
        due = [each for each in given if second - 5 < each[2] <= second]
        for service, pod, _, kind in due:
            severity = Severity.PAGE if kind == "Anomalous" else Severity.TICKET
            found.take([series(f"s{service}", str(pod), now, name=f"Series{kind}", severity=severity)], now)
        for alert in found.flush(now).alerts:
            assert alert.status is Status.FIRING
            assert alert.severity is Severity.PAGE or "Silent" in alert.labels["alertname"]
            times[alert.fingerprint] += alert.fingerprint not in told
            told[alert.fingerprint] = alert
    assert set(times.values()) == {1}
    assert len(told) <= Gathering().scopes + 2
    assert sum(int(each.annotations["series_count"]) for each in told.values()) == len(given)


@given(st.lists(st.integers(1, 40), min_size=1, max_size=120), st.sampled_from([0.25, 1.0, 3.0, 7.5]))
def test_the_budget_of_a_service_is_kept_in_every_week(hours, budget):
    found = incidents(alerts_a_week=budget)
    now, told = START, []
    for number, gap in enumerate(hours):
        now += gap * timedelta(hours=1)
        alert = series("shop", str(number), now)
        found.take([alert], now)
        told += [now for each in found.flush(now + MINUTE).alerts if each.status is Status.FIRING]
        found.take([ended(alert, now + 2 * MINUTE)], now + 2 * MINUTE)
        found.flush(now + 2 * MINUTE)
    length = max(WEEK, WEEK / budget)
    for first in told:
        assert sum(first <= at < first + length for at in told) <= max(math.floor(budget), 1)
    assert told, "the first is always told"


@pytest.mark.parametrize(("budget", "told"), [(1.0, 6), (0.25, 2), (0.1, 2)])
def test_the_smaller_the_budget_the_dearer_what_is_owed(budget, told):
    found = incidents(alerts_a_week=budget)
    said: list[Alert] = []
    for number in range(20):
        now = START + number * timedelta(hours=5)
        found.take([series("shop", str(number), now, score=1 - 1e-9)], now)
        said += found.flush(now + MINUTE).alerts
    assert len(said) == told, "as often as one in a billion can owe, and no more"


def test_what_has_no_like_is_told_when_the_budget_is_used_up_and_what_was_withheld_when_it_is_not():
    found = incidents(alerts_a_week=1.0)
    found.take([series("shop", "a")], START)
    assert brief(found.flush(START + MINUTE).alerts) == [("shop", "page", "firing")]
    day = timedelta(days=1)
    found.take([series("shop", "b", START + day)], START + day)
    news = found.flush(START + day + MINUTE)
    assert news.alerts == ()
    assert news.outcomes == (("withheld", Severity.PAGE),)
    assert found.budget_used(START + day) == {(("service", "shop"),): (1.0, 1.0)}
    found.take([series("shop", "c", START + 2 * day, score=1 - 1e-7)], START + 2 * day)
    assert [each.labels["incident"] for each in found.flush(START + 2 * day + MINUTE).alerts] == ["3"]
    ((share, _),) = found.budget_used(START + 2 * day).values()
    assert share == 2.0
    found.take([series("other", at=START + 2 * day)], START + 2 * day)
    assert brief(found.flush(START + 2 * day + MINUTE).alerts) == [("other", "page", "firing")], "each has its own"
    assert [each.labels["incident"] for each in found.flush(START + 10 * day).alerts] == ["2"], "it still goes on"


def test_a_restart_goes_on_with_incidents_storms_and_budgets():
    before = incidents(alerts_a_week=1.0)
    of_shop = [series("shop", pod) for pod in "abc"]
    many = [series(f"s{number}", at=START + timedelta(hours=1)) for number in range(30)]
    before.take(of_shop, START)
    news = [before.flush(START + MINUTE)]
    before.take(many, START + timedelta(hours=1))
    news.append(before.flush(START + timedelta(hours=1) + MINUTE))
    told = {name: alert for each in news for name, alert in each.told.items()}
    alerts = [alert for each in news for alert in each.alerts]
    assert brief(alerts) == [("shop", "page", "firing"), ("ManySeriesAnomalous", "page", "firing")]

    now = START + timedelta(hours=2)
    after = incidents(alerts_a_week=1.0)
    after.resume([*of_shop, *many], alerts, told, now)
    again = after.flush(now).alerts
    assert {each.fingerprint: each.annotations["series_count"] for each in again} == {
        alerts[0].fingerprint: "3",
        alerts[1].fingerprint: "30",
    }
    after.take([ended(each, now) for each in of_shop], now)
    (end,) = after.flush(now).alerts
    assert (end.status, end.fingerprint, end.starts_at) == (Status.RESOLVED, alerts[0].fingerprint, START)
    after.take([series("shop", "z", now + timedelta(hours=1))], now + timedelta(hours=1))
    assert after.flush(now + timedelta(hours=2)).outcomes == (("withheld", Severity.PAGE),), "the budget goes on"


@pytest.mark.parametrize("name", ["SeriesAnomalous", "SomethingElse"])
def test_an_alert_that_nothing_is_known_of_after_a_restart_is_closed_under_its_own_labels(name):
    left = Alert(
        status=Status.FIRING,
        severity=Severity.TICKET,
        starts_at=START,
        labels={"alertname": name, "severity": "ticket", "pod": "x"},
    )
    found = incidents()
    found.resume([], [left], {}, START + MINUTE)
    (end,) = found.flush(START + MINUTE).alerts
    assert (end.status, end.fingerprint, end.ends_at) == (Status.RESOLVED, left.fingerprint, START + MINUTE)
