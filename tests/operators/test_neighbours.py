"""What else wants the same number: reported in a condition and an Event, and left alone."""

import time

import pytest
import yaml

from tests.operators.stage import deployment, hpa, scaler, stays, within
from tests.operators.test_floor import OWN, given_back


def blocked(stage, reason, name="web"):
    found = stage.condition("ScalingActive", name)
    return found.get("status") == "False" and found.get("reason") == reason


def told(stage, reason, name="web"):
    return [message for word, message in stage.events(name) if word == reason]


def test_somebody_who_applies_another_number_is_reported_and_not_fought(served):
    served.service(own=3)
    served.scaler()
    within(20, lambda: served.floor() == 10)
    served.apply(hpa("web", 5))
    took = within(10, lambda: blocked(served, "Conflict"))
    stays(1.5, lambda: served.floor() == 5)
    print(f"another writer -> condition: {took:.2f} s")
    message = served.condition("ScalingActive")["message"]
    assert "set by kubectl-client-side-apply after us" in message
    assert served.status()["desiredReplicas"] == 10  # what it would do stays visible
    assert served.status()["effectiveMode"] == "Recommend"
    within(5, lambda: told(served, "Conflict"))
    assert len(told(served, "Conflict")) == 1
    served.delete("predictivescaler", "web", "--timeout=20s")
    found = served.hpa()
    assert found["spec"]["minReplicas"] == 5, "what somebody else set is not given back by us"
    assert OWN not in found["metadata"]["annotations"]
    assert "aiops-operator" not in {each["manager"] for each in found["metadata"]["managedFields"]}


def test_after_suspending_and_resuming_the_new_number_is_the_one_that_is_given_back(served):
    served.service(own=3)
    served.scaler()
    within(20, lambda: served.floor() == 10)
    served.apply(hpa("web", 5))
    within(10, lambda: blocked(served, "Conflict"))
    served.scaler(suspend=True)
    within(10, lambda: blocked(served, "Suspended"))
    served.scaler(suspend=False)
    within(10, lambda: served.floor() == 10)
    served.delete("predictivescaler", "web", "--timeout=20s")
    assert given_back(served, 5)


def test_an_hpa_that_is_made_anew_is_adopted_anew(served):
    served.service(own=3)
    served.scaler()
    within(20, lambda: served.floor() == 10)
    served.delete("hpa")
    within(10, lambda: served.reason("Ready") == "HpaMissing")
    served.apply(hpa("web", 4))
    within(10, lambda: served.floor() == 10)
    assert served.hpa()["metadata"]["annotations"][OWN] == "4"
    within(10, lambda: served.condition("Ready")["status"] == "True")


def test_an_hpa_that_is_replaced_as_a_whole_is_a_conflict(served):
    """`kubectl replace` drops our annotation as well; the HPA is still the one that we had."""
    served.service(own=3)
    served.scaler()
    within(20, lambda: served.status().get("state", {}).get("adopted", {}).get("held"))
    served.api.kubectl("replace", f"--namespace={served.name}", "--filename=-", stdin=yaml.safe_dump(hpa("web", 6)))
    within(10, lambda: blocked(served, "Conflict"))
    stays(1.5, lambda: served.floor() == 6)


def test_of_two_for_one_target_the_older_works_and_the_newer_says_so(served):
    served.service(own=3)
    served.scaler()
    within(5, lambda: served.read())
    later = {**scaler("web"), "metadata": {"name": "web-too"}}
    later["spec"] = {**later["spec"], "bounds": {"minReplicas": 20, "maxReplicas": 40}}
    time.sleep(1.1)  # creation is stamped in whole seconds
    served.apply(later)
    within(20, lambda: served.floor() == 10)
    within(10, lambda: blocked(served, "TargetTaken", "web-too"))
    stays(1.5, lambda: served.floor() == 10)
    assert "the PredictiveScaler web is older" in served.condition("ScalingActive", "web-too")["message"]
    assert "finalizers" not in served.read("web-too")["metadata"]
    served.delete("predictivescaler", "web-too", "--timeout=20s")
    stays(1.5, lambda: served.floor() == 10)


def test_the_newer_takes_over_when_the_older_goes(served):
    served.service(own=3)
    served.scaler()
    time.sleep(1.1)
    later = {**scaler("web"), "metadata": {"name": "web-too"}}
    later["spec"] = {**later["spec"], "bounds": {"minReplicas": 20, "maxReplicas": 40}}
    served.apply(later)
    within(20, lambda: served.floor() == 10)
    served.delete("predictivescaler", "web", "--timeout=20s")
    within(15, lambda: served.floor() == 20)
    served.delete("predictivescaler", "web-too", "--timeout=20s")
    assert given_back(served, 3)


def test_a_second_hpa_on_the_target_is_reported(served):
    served.service(own=3)
    served.apply(hpa("other", 2, target="web"))
    served.scaler()
    within(20, lambda: blocked(served, "SecondHpa"))
    stays(1.5, lambda: served.floor() == 3)
    assert "the HPA other scales Deployment web as well, beside web" in served.condition("ScalingActive")["message"]
    served.delete("hpa", "other")
    within(15, lambda: served.floor() == 10)


def test_direct_is_refused_beside_an_hpa(served):
    served.service(own=3)
    served.scaler(mode="Direct", hpa=None)
    within(20, lambda: blocked(served, "BesideHpa"))
    path = f"/apis/apps/v1/namespaces/{served.name}/deployments/web/scale"
    stays(1.5, lambda: '"replicas":4' in served.api.kubectl("get", "--raw", path))
    assert "write mode: Floor and hpa: {name: web}" in served.condition("ScalingActive")["message"]


def replicas(stage, name="web"):
    return int(
        stage.api.kubectl("get", "deployment", name, f"--namespace={stage.name}", "--output=jsonpath={.spec.replicas}")
    )


def test_direct_sets_replicas_and_leaves_a_number_that_somebody_else_sets(served):
    knob = served.knob("demand", otherwise=500)
    served.apply(deployment("web", 4))
    served.scaler(mode="Direct", hpa=None, query=knob.query)
    within(20, lambda: replicas(served) == 11)  # 500 of 50 each, and a tenth of headroom
    within(10, lambda: served.status()["state"]["adopted"]["held"])
    knob.set(750)
    within(15, lambda: replicas(served) == 17)
    served.api.kubectl("scale", "deployment", "web", f"--namespace={served.name}", "--replicas=7")
    within(10, lambda: blocked(served, "Conflict"))
    stays(1.5, lambda: replicas(served) == 7)
    served.scaler(mode="Direct", hpa=None, query=knob.query, suspend=True)
    within(10, lambda: blocked(served, "Suspended"))
    served.scaler(mode="Direct", hpa=None, query=knob.query)
    within(10, lambda: replicas(served) == 17)
    served.delete("predictivescaler", "web", "--timeout=20s")
    assert replicas(served) == 17, "replicas are not given back: an old number could be an outage"


def test_an_hpa_that_keda_makes_is_reported(served):
    owner = {"apiVersion": "keda.sh/v1alpha1", "kind": "ScaledObject", "name": "web", "uid": "of-a-scaled-object"}
    served.apply(deployment("web", 4), hpa("web", 3, ownerReferences=[owner]))
    served.scaler()
    within(20, lambda: blocked(served, "OwnedByKeda"))
    stays(1.5, lambda: served.floor() == 3)
    assert "ScaledObject web" in served.condition("ScalingActive")["message"]


@pytest.mark.parametrize(
    ("missing", "reason", "said"),
    [
        ("deployment", "TargetMissing", "there is no Deployment web in"),
        ("hpa", "HpaMissing", "there is no HPA web in"),
    ],
)
def test_what_is_missing_is_named_and_looked_for_again(served, missing, reason, said):
    things = {"deployment": deployment("web", 4), "hpa": hpa("web", 3)}
    served.apply(*(thing for name, thing in things.items() if name != missing))
    served.scaler()
    within(20, lambda: served.reason("Ready") == reason)
    assert said in served.condition("Ready")["message"]
    within(5, lambda: told(served, reason))
    served.apply(things[missing])
    took = within(10, lambda: served.floor() == 10)
    print(f"{missing} appears -> floor raised: {took:.2f} s")


def test_an_hpa_of_another_target_and_a_kind_that_cannot_be_scaled_are_named(served):
    served.apply(deployment("web", 4), hpa("web", 3, target="api"), hpa("job", 3))
    served.scaler()
    served.scaler("job", target={"apiVersion": "batch/v1", "kind": "Job", "name": "job"})
    served.scaler("thing", target={"apiVersion": "apps/v1", "kind": "Thing", "name": "thing"})
    within(20, lambda: served.reason("Ready") == "HpaOfAnotherTarget")
    within(10, lambda: served.reason("Ready", "job") == "InvalidTarget")
    within(10, lambda: served.reason("Ready", "thing") == "InvalidTarget")
    assert "the HPA web scales Deployment api" in served.condition("Ready")["message"]
    assert "Job of batch/v1 has no subresource scale" in served.condition("Ready", "job")["message"]
    assert "those that can be scaled there are Deployment" in served.condition("Ready", "thing")["message"]


def test_a_query_of_two_series_is_named(served):
    served.service()
    served.scaler(query='label_replace(vector(1), "a", "1", "", "") or label_replace(vector(2), "a", "2", "", "")')
    within(20, lambda: served.reason("Ready") == "InvalidQuery")
    assert "returns 2 series" in served.condition("Ready")["message"]


def test_the_ceiling_of_the_hpa_is_the_ceiling_of_the_floor(served):
    served.service(own=3, most=6)
    served.scaler()
    within(20, lambda: served.floor() == 6)
    assert served.status()["reason"] == "TooManyReplicas"
