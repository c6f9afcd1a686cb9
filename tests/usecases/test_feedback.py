"""What people say of incidents, by the command line, and what the desk makes of it."""

import json
from datetime import UTC, datetime, timedelta

import pytest

from aiops.adapters.clock import SimulatedClock
from aiops.adapters.feedback_file import FeedbackFile
from aiops.adapters.outbox import Outbox
from aiops.alerting.alert import Alert, Severity, Status
from aiops.alerting.feedback import Verdict
from aiops.alerting.rules import AlertRule
from aiops.errors import ConfigError
from aiops.usecases.incidents import Desk
from tests.cli import program

HOUR, DAY = timedelta(hours=1), timedelta(days=1)
START = datetime(2026, 3, 2, tzinfo=UTC)
PAGE, ODDER = 0.99995, 1 - 5e-6


class Nowhere:
    """A sink that is never reached."""

    async def send(self, alerts):
        raise AssertionError("nothing is delivered here")


class Service:
    """A desk with its clock and files."""

    def __init__(self, folder):
        self.folder = folder
        self.clock = SimulatedClock(START)
        self.outbox = Outbox(None, Nowhere(), self.clock)
        self.store = FeedbackFile(folder / "feedback.sqlite")
        rule = AlertRule(alerts_a_week=100.0)
        self.desk = Desk(self.outbox, self.clock, lambda _: rule, feedback=self.store)

    def trouble(self, service: str, score: float = PAGE, severity: Severity = Severity.PAGE) -> list[Alert]:
        """Return what people are told of an hour's trouble that begins now."""
        now = self.clock.now()
        firing = Alert(
            status=Status.FIRING,
            severity=severity,
            starts_at=now,
            labels={"alertname": "SeriesAnomalous", "severity": severity.value, "service": service, "pod": "a"},
            annotations={"summary": f"{service}: 9, expected 1", "series": service},
            scope={"service": service},
            score=score,
        )
        self.desk.put([firing])
        self.clock.advance(timedelta(minutes=1))
        self.desk.tell()
        told = [alert for alert, _ in self.outbox.firing().values()]
        self.clock.advance(HOUR)
        over = Alert(
            status=Status.RESOLVED,
            severity=severity,
            starts_at=now,
            ends_at=self.clock.now(),
            labels=firing.labels,
            annotations=firing.annotations,
            scope=firing.scope,
        )
        self.desk.put([over])
        self.desk.tell()
        return told

    def say(self, alert: Alert, verdict: str, length: timedelta = 28 * DAY) -> None:
        self.store.give(alert.fingerprint, Verdict(verdict), self.clock.now(), length)
        self.clock.advance(timedelta(minutes=1))
        self.desk.tell()


def aiops(*arguments, cwd):
    now = {"AIOPS_CLOCK__START": START.isoformat(), "AIOPS_CLOCK__ANCHOR": datetime.now(UTC).isoformat()}
    return program.run("feedback", *arguments, cwd=cwd, **now)


def test_noise_asks_for_more_each_time_and_useful_takes_it_back(tmp_path):
    service = Service(tmp_path)
    (told,) = service.trouble("shop")
    assert told.annotations["feedback"] == f"aiops feedback {told.fingerprint} useful|noise|expected"
    service.say(told, "noise")
    assert service.trouble("shop") == [], "ten times as rare is asked for"
    assert service.trouble("other"), "of others it says nothing"
    assert service.trouble("shop", score=ODDER)
    service.say(told, "noise")
    assert service.trouble("shop", score=ODDER) == [], "and a hundred times"
    again = Service(tmp_path)
    again.clock.advance(DAY)
    assert again.trouble("shop", score=ODDER) == [], "a restart forgets nothing"
    service.say(told, "useful")
    assert service.trouble("shop")


def test_noise_ends_and_never_hides_what_has_no_like(tmp_path):
    service = Service(tmp_path)
    (told,) = service.trouble("shop")
    for _ in range(10):
        service.say(told, "noise", length=2 * DAY)
    assert service.trouble("shop", score=1 - 1e-6) == []
    assert service.trouble("shop", score=1 - 1e-8), "a thousand times as rare is the most that is asked for"
    service.clock.advance(2 * DAY)
    assert service.trouble("shop")


def test_while_trouble_is_expected_nothing_of_it_is_told_however_odd(tmp_path):
    service = Service(tmp_path)
    (told,) = service.trouble("shop")
    service.say(told, "expected", length=5 * HOUR)
    assert service.trouble("shop", score=1 - 1e-9) == []
    service.clock.advance(5 * HOUR)
    assert service.trouble("shop")


def test_a_ticket_that_became_a_page_is_known_by_both_fingerprints(tmp_path):
    service = Service(tmp_path)
    (page,) = service.trouble("shop")
    (ticket,) = Service(tmp_path / "other").trouble("shop", severity=Severity.TICKET)
    assert page.fingerprint != ticket.fingerprint
    service.say(ticket, "noise")
    assert service.trouble("shop") == []


def test_the_command_lists_the_oddest_and_takes_a_verdict(tmp_path):
    service = Service(tmp_path / "aiops-state")
    service.trouble("old", score=1 - 1e-6)
    service.clock.advance(6 * DAY)
    service.trouble("new")
    listed = aiops("--format", "json", cwd=tmp_path)
    assert listed.returncode == 0, listed.stderr
    rows = json.loads(listed.stdout)
    assert {row["summary"] for row in rows} == {"old: 9, expected 1", "new: 9, expected 1"}
    assert rows == sorted(rows, key=lambda row: -row["oddity"])
    said = aiops(rows[0]["fingerprint"], "noise", "--for", "30d", cwd=tmp_path)
    assert (said.returncode, said.stderr.strip()) == (0, f"noise: {rows[0]['summary']}")
    (kept,) = FeedbackFile(tmp_path / "aiops-state" / "feedback.sqlite").changed() or []
    assert (kept.verdict, kept.until - kept.at) == (Verdict.NOISE, 30 * DAY)


def test_what_cannot_be_said_is_explained(tmp_path):
    Service(tmp_path).trouble("shop")
    with pytest.raises(ConfigError, match="no incident 0000000000000000 was told in the last four weeks"):
        FeedbackFile(tmp_path / "feedback.sqlite").give("0" * 16, Verdict.NOISE, START, DAY)
    with pytest.raises(ConfigError, match="does not exist: --state names the folder"):
        FeedbackFile(tmp_path / "nowhere" / "feedback.sqlite").told()
    (tmp_path / "broken.sqlite").write_bytes(b"this is no database at all" * 100)
    with pytest.raises(ConfigError, match="cannot be read: file is not a database"):
        FeedbackFile(tmp_path / "broken.sqlite").told()
    wrong = aiops("0" * 16, "nonsense", cwd=tmp_path)
    assert wrong.returncode == 2
    assert "nonsense is no verdict: say useful, noise, expected" in wrong.stderr


def test_a_broken_file_stops_nobody_from_being_told(tmp_path):
    (tmp_path / "feedback.sqlite").write_bytes(b"this is no database at all" * 100)
    assert Service(tmp_path).trouble("shop")
