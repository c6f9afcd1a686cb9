"""What the operator writes into the status is what the schema of the custom resource knows."""

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st
from kubernetes import client

from aiops.adapters.kubernetes_control import Adoption
from aiops.ports import Peak, Replicas
from aiops.scaling.policy import Mode, ScalingPolicy
from aiops.scaling.resource import API_VERSION, FIELD_MANAGER, GROUP, KIND, PLURAL, VERSION, PredictiveScalerStatus
from aiops.scaling.state import ScalingState
from aiops.usecases.scale import Scaled
from operators import status
from operators.outlook import Outlook
from operators.room import Limit
from tests.scaling.days import Turn, World, days, live, modes, policy
from tools import crds

HELD = Adoption(name="shop", uid="6f1f0b1e", own=3, held=True)
NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)
OUTLOOK = Outlook(
    checked=NOON + timedelta(hours=6),
    generation=1,
    most=40,
    made=NOON,
    limit=Limit.QUOTA,
    replicas=12,
    what="pods of the ResourceQuota team",
    chances=(0.05, 0.9),
    dates=(NOON + timedelta(days=6), NOON + timedelta(days=12), None),
    unknown="nodes, which may not be listed",
    trouble="no answer from Prometheus",
)
HARM = [
    World(peak=20.0, demand=10.0, errors=0.5 if 2 <= minute < 5 else 0.0, ready=None, more=0, applied=True, after=60)
    for minute in range(10)
]
BLIND = [World(peak=None, demand=None, errors=None, ready=None, more=None, applied=True, after=60)] * 3


def written(policy: ScalingPolicy, turns: list[Turn], *, has_hpa: bool) -> list[dict[str, Any]]:
    """Return the status after each turn, as the operator makes it from the one before."""
    found: list[dict[str, Any]] = [{}]
    for turn in turns:
        seen = turn.seen
        scaled = Scaled(
            at=turn.now,
            replicas=Replicas(current=seen.current, ready=seen.ready, asked=seen.replicas, ceiling=40, baseline=3),
            demand=seen.demand,
            peak=None if turn.peak is None else Peak(value=turn.peak, cutoff=turn.now, model="holt-winters"),
            readings=dict(seen.readings),
            decision=turn.decision,
            state=turn.after,
            trouble="no answer from Prometheus",
            no_forecast="no answer from the service",
            no_reading="no answer from Prometheus",
            changes=policy.mode.applies and turn.decision.desired != turn.decision.current,
        )
        known, read = OUTLOOK.to_status(), OUTLOOK.condition({})
        found.append(status.of_turn(found[-1], 1, policy, scaled, HELD, has_hpa=has_hpa, outlook=known, room=read))
    return found[1:]


@pytest.mark.parametrize("whole", [OUTLOOK, Outlook(checked=NOON, generation=2), replace(OUTLOOK, made=None)])
def test_what_is_known_of_the_weeks_ahead_is_read_back(whole):
    read = Outlook.from_status(json.loads(json.dumps(whole.to_status())))
    assert read == (whole if whole.made else replace(whole, chances=(), dates=()))


@given(day=days, mode=modes, has_hpa=st.booleans())
def test_the_schema_knows_all_that_is_written(day, mode, has_hpa) -> None:
    finite = [world for world in day if world.peak == world.peak and world.demand != float("inf")]  # as from the ports
    for each in written(policy(mode), live(policy(mode), finite), has_hpa=has_hpa):
        text = json.dumps(each, allow_nan=False)
        PredictiveScalerStatus.model_validate_json(text)
        state = {key: value for key, value in each["state"].items() if key != "adopted"}
        assert ScalingState.from_json(state).to_json()["phase"] == state["phase"]
        assert len(json.dumps(each["state"])) < 4096


@pytest.fixture(scope="module")
def scaler(apiserver):
    """The name of a PredictiveScaler on a real API server."""
    (file,) = crds.rendered()
    apiserver.kubectl("apply", "--server-side", f"--filename={file}")
    apiserver.kubectl("wait", "--for=condition=Established", f"crd/{PLURAL}.{GROUP}", "--timeout=30s")
    spec = {
        "target": {"name": "shop"},
        "bounds": {"maxReplicas": 40},
        "load": {"capacityPerReplica": 10, "query": "load"},
    }
    body = {"apiVersion": API_VERSION, "kind": KIND, "metadata": {"name": "status-schema"}, "spec": spec}
    apiserver.kubectl("apply", "--server-side", "--filename=-", stdin=yaml.safe_dump(body))
    yield "status-schema"
    apiserver.kubectl("delete", PLURAL, "status-schema")


def test_a_real_api_server_keeps_it_word_for_word(apiserver, scaler) -> None:
    objects = client.CustomObjectsApi(apiserver.client)
    turns = live(policy(Mode.FLOOR), [*HARM, *BLIND])
    assert {"RolledBack", "CoolingDown", "OnTrial", "ForecastMissing"} <= {str(turn.decision.reason) for turn in turns}
    before: dict[str, Any] = {}
    for each in written(policy(Mode.FLOOR), turns, has_hpa=True):
        body = {"apiVersion": API_VERSION, "kind": KIND, "metadata": {"name": scaler}, "status": each}
        kept: Any = objects.patch_namespaced_custom_object_status(
            GROUP,
            VERSION,
            "default",
            PLURAL,
            scaler,
            body,
            field_manager=FIELD_MANAGER,
            force=True,
            field_validation="Strict",
            _content_type="application/apply-patch+yaml",
        )
        assert kept["status"] == each
        assert kept["status"] != before, "what is no longer written is gone"
        before = each
