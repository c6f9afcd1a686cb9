from datetime import UTC, datetime, timedelta

import pytest

from aiops.alerting.alert import Alert, Severity, Status
from aiops.errors import DataError

START = datetime(2026, 3, 2, tzinfo=UTC)


def alert(**changes):
    given = {"status": Status.FIRING, "severity": Severity.PAGE, "starts_at": START, "labels": {"a": "1", "b": "2"}}
    return Alert(**{**given, **changes})


def test_the_fingerprint_is_of_the_labels_and_of_nothing_else():
    same = alert(
        status=Status.RESOLVED,
        severity=Severity.TICKET,
        starts_at=START + timedelta(hours=1),
        ends_at=START + timedelta(hours=2),
        labels={"b": "2", "a": "1"},
        annotations={"summary": "normal again"},
    )
    assert same.fingerprint == alert().fingerprint
    assert alert(labels={"a": "1", "b": "3"}).fingerprint != alert().fingerprint
    assert alert(labels={"a": "1b", "": "2"}).fingerprint != alert(labels={"a": "1", "b": "2"}).fingerprint


def test_only_what_is_resolved_has_an_end():
    with pytest.raises(DataError, match="ends_at"):
        alert(status=Status.RESOLVED)
    with pytest.raises(DataError, match="ends_at"):
        alert(ends_at=START)
    with pytest.raises(DataError, match="labels"):
        alert(labels={})
