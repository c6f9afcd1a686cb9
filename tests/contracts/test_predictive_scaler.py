"""The API server and the model that backtests read agree on what a PredictiveScaler is.

On a real API server. docs/reference/predictive-scaler.md is made here: `make docs` runs this file with
--write-reference.
"""

import json
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from kubernetes import client
from kubernetes.client.exceptions import ApiException

from aiops.errors import ConfigError
from aiops.scaling import crd
from aiops.scaling.policy_file import spec_from
from aiops.scaling.resource import (
    API_VERSION,
    GROUP,
    KIND,
    PLURAL,
    VERSION,
    PredictiveScalerSpec,
)
from aiops.scaling.state import ScalingState
from testbed.apiserver import KubectlError
from tests.contracts.resource_page import as_row, keys, page
from tests.contracts.wrong_resources import GONE, RIGHT, SALE, SLO, SPEC, WRONG, Wrong, written
from tools import crds

NAMESPACE = "default"
PAGE = Path(__file__).parents[2] / "docs" / "reference" / "predictive-scaler.md"


def test_the_file_in_the_chart_is_up_to_date() -> None:
    for file, text in crds.rendered().items():
        assert file.read_text() == text, "out of date; run: make crds"


@pytest.fixture(scope="module")
def scalers(apiserver):
    """An API server that knows the kind."""
    (file,) = crds.rendered()
    apiserver.kubectl("apply", "--server-side", f"--filename={file}")
    apiserver.kubectl("wait", "--for=condition=Established", f"crd/{PLURAL}.{GROUP}", "--timeout=30s")
    return apiserver


def submit(api: Any, spec: Any, name: str = "shop") -> Any:
    """Return the spec as it would be stored.

    Raises:
        ApiException: If it is refused.
    """
    body = {"apiVersion": API_VERSION, "kind": KIND, "metadata": {"name": name}, "spec": spec}
    objects = client.CustomObjectsApi(api.client)
    found: Any = objects.create_namespaced_custom_object(
        GROUP, VERSION, NAMESPACE, PLURAL, body, dry_run="All", field_validation="Strict"
    )
    return found["spec"]


def said(refusal: ApiException) -> str:
    """Return what is wrong, as the API server says it."""
    body = json.loads(refusal.body or "{}")
    causes = [
        (cause["message"] if cause["field"] == "<nil>" else f"{cause['field']}: {cause['message']}")
        for cause in body.get("details", {}).get("causes", [])
        if "some validation rules were not checked" not in cause["message"]
    ]
    return "; ".join(causes) or body["message"].rpartition(": strict decoding error: ")[2]


@pytest.fixture(scope="module")
def rows(request):
    """The table's rows by case; the page is written from them at the end if that was asked for."""
    found: dict[str, str] = {}
    yield found
    if request.config.getoption("--write-reference"):
        assert len(found) == len(WRONG), "the page is written from all cases"
        PAGE.write_text(page(found))


@pytest.mark.parametrize("wrong", WRONG, ids=lambda wrong: wrong.what)
def test_a_wrong_one_is_refused_at_admission_with_what_to_write_instead(wrong: Wrong, scalers, rows, request) -> None:
    with pytest.raises(ApiException) as refused:
        submit(scalers, wrong.spec())

    assert refused.value.status in (400, 422)
    message = said(refused.value)
    assert wrong.says in message
    rows[wrong.what] = row = as_row(wrong, message)
    if not request.config.getoption("--write-reference"):
        assert row in PAGE.read_text().splitlines(), "the page is out of date; run: make docs"


@pytest.mark.parametrize("wrong", WRONG, ids=lambda wrong: wrong.what)
def test_the_model_refuses_the_same(wrong: Wrong) -> None:
    with pytest.raises(ConfigError):
        spec_from(wrong.spec())


@pytest.mark.parametrize("what", RIGHT)
def test_a_right_one_is_stored_as_the_model_reads_it(what: str, scalers) -> None:
    assert spec_from(submit(scalers, RIGHT[what])) == spec_from(RIGHT[what])


def test_the_defaults_of_the_api_server_are_those_of_the_model(scalers) -> None:
    assert submit(scalers, SPEC) == spec_from(SPEC).to_spec()
    guarded = {**SPEC, "guard": {"slos": [SLO]}}
    assert submit(scalers, guarded) == spec_from(guarded).to_spec()


def accepted(api: Any, spec: Any) -> bool:
    try:
        submit(api, spec)
    except ApiException as refused:
        if refused.status not in (400, 422):
            raise
        return False
    return True


def read(spec: Any) -> bool:
    try:
        spec_from(spec)
    except ConfigError:
        return False
    return True


# Not 40.0: where no rule looks at it the API server takes it for the whole number that it is, and the model does not.
NUMBERS = (-1, 0, 1, 2, 40, 4.5, 1000, 1001, 2**31 - 1, 2**31, True, "40", None, GONE)
TIMES = (
    "0s",
    "1s",
    "30s",
    "1m",
    "4m",
    "1h30m",
    "2w1d",
    "007m",
    "0w0s",
    "9999999w" * 3,
    "9999999w" * 5,
    "",
    "5",
    5,
    None,
)
TEXTS = (
    "a",
    "a-b",
    "a.b",
    "-a",
    "a_b",
    "Ab",
    "",
    " ",
    "x" * 254,
    "\u00e9",
    "\u00a0",
    "a\n",
    "v1",
    "a/v1",
    None,
    GONE,
    7,
)
LOCAL_TIMES = (
    "2026-11-28T00:00",
    "2026-11-28T08:00",
    "2026-11-28T08:01",
    "2026-11-27T08:00",
    "2026-12-04T08:00",
    "2026-12-04T08:01",
    "2027-11-27T08:00",
    "2027-11-27T08:01",
    "2028-02-29T08:00",
    "2027-02-29T08:00",
    "2026-12-01T24:00",
    "2026-12-01T8:00",
    "2026-12-01T08:00:00",
    "2026-12-01T08:00Z",
    "1999-12-01T08:00",
    "",
    7,
)
KEYS = {
    **dict.fromkeys(["bounds.minReplicas", "bounds.maxReplicas", "load.capacityPerReplica", "forecast.level"], NUMBERS),
    **dict.fromkeys(["load.targetUtilization", "behavior.scaleUp.maxStepRatio", "guard.failureLimit"], NUMBERS),
    **dict.fromkeys(["behavior.scaleDown.maxStepReplicas", "behavior.scaleDown.maxStepRatio"], NUMBERS),
    **dict.fromkeys(["interval", "load.step", "load.history", "forecast.window", "forecast.staleAfter"], TIMES),
    **dict.fromkeys(["behavior.scaleDown.stabilizationWindow", "guard.observe", "guard.coolDown"], TIMES),
    **dict.fromkeys(["target.name", "target.kind", "target.apiVersion", "load.query", "forecast.model"], TEXTS),
    "mode": ("Shadow", "Floor", "Direct", "", "shadow", None),
    "hpa": ({"name": "shop"}, {"name": ""}, {}, "shop", None, GONE),
    "suspend": (True, False, "yes", 1, None),
    "bounds.onMaxBreach": ("Honor", "RaiseWithBuffer", "honor", "", 1, None),
    "bounds.maxBuffer": NUMBERS,
    "prices.replicaHour": NUMBERS,
    "prices.unmetRequest": NUMBERS,
    # Not a zone that is spelt right and not there: that is for the operator to say.
    "calendar.timeZone": ("UTC", "Europe/Berlin", "Etc/GMT+5", "", "/UTC", "../UTC", "Europe/", "a b", 7, None),
    "calendar.events": (
        [],
        [SALE, SALE],
        [SALE, {**SALE, "name": "lunch"}],
        [{**SALE, "name": f"sale-{number}"} for number in range(33)],
        *([{**SALE, "name": each}] for each in TEXTS if each is not GONE),
        *([{**SALE, "multiplier": each}] for each in NUMBERS if each is not GONE),
        *([{**SALE, "minReplicas": each}] for each in NUMBERS if each is not GONE),
        *([{**SALE, "ramp": each}] for each in TIMES),
        *([{**SALE, "end": each}] for each in LOCAL_TIMES),
        *([{**SALE, "end": each, "repeat": "Daily"}] for each in LOCAL_TIMES),
        *([{**SALE, "end": each, "repeat": "Weekly"}] for each in LOCAL_TIMES),
        *([{**SALE, "end": each, "repeat": "Yearly"}] for each in LOCAL_TIMES),
        *([{**SALE, "repeat": each}] for each in ("Never", "never", "", None)),
    ),
    "guard.slos": (
        [],
        [SLO, SLO],
        [SLO, {**SLO, "name": "latency"}],
        [SLO] * 9,
        *([{**SLO, "name": each}] for each in TEXTS if each is not GONE),
        *([{**SLO, "query": each}] for each in TEXTS if each is not GONE),
        *([{**SLO, "threshold": each}] for each in NUMBERS if each is not GONE),
    ),
}
FULL = spec_from({**SPEC, "hpa": {"name": "shop"}, "guard": {"slos": [SLO]}}).to_spec()
FULL |= {"prices": {"replicaHour": 0.05, "unmetRequest": 0.001}, "calendar": {"timeZone": "UTC", "events": [SALE]}}


@pytest.mark.parametrize("key", KEYS)
def test_what_admission_accepts_the_model_accepts_and_the_other_way_round(key: str, scalers) -> None:
    for value in KEYS[key]:
        spec = written(FULL, key, value)
        assert accepted(scalers, spec) == read(spec), value


changes = st.lists(
    st.sampled_from(sorted(KEYS)).flatmap(lambda key: st.tuples(st.just(key), st.sampled_from(KEYS[key]))),
    min_size=2,
    max_size=4,
    unique_by=lambda change: change[0].partition(".")[0],
)


@settings(max_examples=100, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(changes=changes)
def test_the_same_for_changes_that_have_to_agree_with_each_other(changes, scalers) -> None:
    spec = FULL
    for key, value in changes:
        spec = written(spec, key, value)

    assert accepted(scalers, spec) == read(spec)


def test_what_is_fixed_once_it_is_made(scalers) -> None:
    def apply(spec: dict[str, Any], name: str = "fixed") -> None:
        body = {"apiVersion": API_VERSION, "kind": KIND, "metadata": {"name": name}, "spec": spec}
        scalers.kubectl("apply", "--server-side", "--filename=-", stdin=yaml.safe_dump(body))

    floor = {**SPEC, "mode": "Floor", "hpa": {"name": "shop"}}
    apply(floor)

    with pytest.raises(KubectlError, match="the target stays what it is: delete this PredictiveScaler and make"):
        apply(written(floor, "target.name", "cart"))
    with pytest.raises(KubectlError, match=r"the HPA stays what it is: .* write mode: Shadow, remove hpa, then name"):
        apply(written(floor, "hpa.name", "cart"))
    apply(written(floor, "bounds.maxReplicas", 50))
    apply(SPEC)
    apply(written(floor, "hpa.name", "cart"))
    scalers.kubectl("delete", PLURAL, "fixed")


def test_a_name_that_is_no_label_is_refused(scalers) -> None:
    submit(scalers, SPEC, name="a" * 63)
    with pytest.raises(ApiException) as refused:
        submit(scalers, SPEC, name="a" * 64)
    assert said(refused.value).endswith("more than 63 characters: shorten it, it becomes the value of a label")


def test_kubectl_explains_every_key_and_knows_the_short_name(scalers) -> None:
    explained = scalers.kubectl("explain", "pscaler.spec", "--recursive")
    for path, _, _ in keys(PredictiveScalerSpec):
        assert f"{path.rpartition('.')[2].removesuffix('[]')}\t" in explained
    assert "How long a change is on trial." in scalers.kubectl("explain", "pscaler.spec.guard.observe")


def test_kubectl_get_shows_the_columns(scalers) -> None:
    body = {"apiVersion": API_VERSION, "kind": KIND, "metadata": {"name": "columns"}, "spec": SPEC}
    scalers.kubectl("apply", "--server-side", "--filename=-", stdin=yaml.safe_dump(body))
    status = {
        "phase": "Proving",
        "effectiveMode": "Recommend",
        "floorReplicas": 3,
        "desiredReplicas": 7,
        "reason": "ScaleUpLimit",
        "message": "3 -> 7: demand of up to 900 needs 18 replicas, more than one step may add",
        "conditions": [
            {
                "type": "Ready",
                "status": "True",
                "reason": "AsSpecified",
                "message": "all is there",
                "lastTransitionTime": "2026-01-05T00:00:00Z",
            }
        ],
        "state": ScalingState(baseline=3).to_json() | {"adopted": {"own": 3}},
    }
    client.CustomObjectsApi(scalers.client).patch_namespaced_custom_object_status(
        GROUP, VERSION, NAMESPACE, PLURAL, "columns", {"status": status}
    )

    header, row = scalers.kubectl("get", "aiops", "columns", "--output=wide").splitlines()
    kept = json.loads(scalers.kubectl("get", "pscaler", "columns", "--output=json"))["status"]
    scalers.kubectl("delete", PLURAL, "columns")

    assert header.split() == ["NAME", *(column[0].upper() for column in crd.COLUMNS)]
    assert row.split()[:8] == ["columns", "Shadow", "Recommend", "Proving", "shop", "3", "7", "ScaleUpLimit"]
    assert "3 -> 7: demand of up to 900" in row
    assert kept["state"]["adopted"] == {"own": 3}, "what the schema does not know of the state is kept"
    assert ScalingState.from_json(kept["state"]) == ScalingState(baseline=3)


def test_the_page_is_up_to_date(request) -> None:
    if request.config.getoption("--write-reference"):
        pytest.skip("the page is being written")
    text = PAGE.read_text()
    rows = text.rpartition("|---|---|---|\n")[2].splitlines()
    assert [row.split(" | ")[0].removeprefix("| ") for row in rows] == [wrong.what for wrong in WRONG]
    assert text == page(dict(zip((wrong.what for wrong in WRONG), rows, strict=True))), "out of date; run: make docs"
