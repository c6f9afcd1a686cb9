"""What the alert of a roll-back carries; that it comes and goes on a real cluster is in test_rollback.py."""

from datetime import UTC, datetime, timedelta

import pytest

from aiops.adapters.clock import SystemClock
from aiops.adapters.kubernetes_scalers import Scaler
from aiops.adapters.outbox import Outbox
from aiops.ports import Replicas
from aiops.scaling.decide import ScalingDecision
from aiops.scaling.policy_file import spec_from
from aiops.scaling.reason import Reason
from aiops.scaling.state import ScalingState
from aiops.usecases.scale import Scaled
from operators.alerts import Alerts
from operators.rollback_alert import RUNBOOK
from tests.operators.stage import scaler
from tools.bootstrap import ROOT

NOW = datetime(2026, 3, 2, tzinfo=UTC)
COOL_DOWN = timedelta(minutes=5)
META = {"namespace": "shop", "uid": "1", "resourceVersion": "1", "creationTimestamp": "2026-03-01T00:00:00Z"}


def telling(*runbook):
    """Return who tells of a change that is taken back now, what he is about, and where it goes."""
    manifest = scaler("web")
    found = Scaler.parse({**manifest, "metadata": {**manifest["metadata"], **META}})
    state = ScalingState(
        decided_at=NOW, needs=((NOW, 10),), hold_until=NOW + COOL_DOWN, rolled_back_at=NOW, last_good=10
    )
    scaled = Scaled(
        at=NOW,
        replicas=Replicas(current=10),
        demand=None,
        peak=None,
        readings={},
        decision=ScalingDecision(current=6, desired=10, reason=Reason.ROLLED_BACK),
        state=state,
    )
    outbox = Outbox(None, {}, SystemClock())
    alerts = Alerts(outbox, *runbook)
    alerts.tell(found, spec_from(found.spec), scaled)
    return alerts, found.key, state, outbox


@pytest.mark.parametrize("runbook", [(), ("https://wiki.example/scale-ahead",)])
def test_it_links_to_what_people_read(runbook):
    ((alert, _),) = telling(*runbook)[-1].firing().values()
    assert alert.annotations["runbook"] == (runbook[0] if runbook else RUNBOOK)


def test_what_it_links_to_by_default_is_there():
    page, _, heading = RUNBOOK.partition("#")
    assert f"## {heading.replace('-', ' ')}\n" in (ROOT / page).read_text().lower()


def test_it_ends_with_the_cool_down_though_nothing_can_be_decided_any_more():
    alerts, key, state, outbox = telling()
    alerts.undecided(key, state, NOW + COOL_DOWN / 2)
    assert outbox.firing()
    alerts.undecided(key, state, NOW + COOL_DOWN)
    assert not outbox.firing()


def test_it_ends_when_what_it_speaks_of_is_gone():
    alerts, key, _, outbox = telling()
    alerts.end(("shop", "another"), NOW)
    assert outbox.firing()
    alerts.end(key, NOW)
    assert not outbox.firing()
