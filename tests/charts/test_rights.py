"""What the operator may do, as the API server answers: this table, and nothing else."""

import itertools

import pytest
import yaml
from kubernetes import client

from tests.charts.rendering import NAMESPACE, rendered, template

# (API group, resource), or with a name behind them -> verbs
Rights = dict[tuple[str, ...], set[str]]
ACCOUNT = "demo-aiops-operator"
FLOOR: Rights = {
    ("aiops.dev", "predictivescalers"): {"get", "list", "watch", "patch"},
    ("aiops.dev", "predictivescalers/status"): {"patch"},
    ("autoscaling", "horizontalpodautoscalers"): {"get", "list", "patch"},
    ("apps", "deployments"): {"get"},
    ("apps", "deployments/scale"): {"get"},
    ("apps", "statefulsets"): {"get"},
    ("apps", "statefulsets/scale"): {"get"},
    ("", "events"): {"create"},
    ("", "resourcequotas"): {"list"},
}
SHADOW: Rights = {**FLOOR, ("autoscaling", "horizontalpodautoscalers"): {"get", "list"}}
DIRECT: Rights = {
    **FLOOR,
    ("apps", "deployments/scale"): {"get", "patch"},
    ("apps", "statefulsets/scale"): {"get", "patch"},
}
PODS: Rights = {**FLOOR, ("", "pods"): {"list"}}
NODES: Rights = {("", "nodes"): {"list"}, ("", "pods"): {"list"}}
LEASE: Rights = {
    ("coordination.k8s.io", "leases"): {"create"},
    ("coordination.k8s.io", "leases", ACCOUNT): {"get", "update"},
}


def rights(api, account, namespace):
    """What ``account`` may do in ``namespace``, as the API server works it out."""
    token = api.kubectl("create", "token", account, f"--namespace={NAMESPACE}").strip()
    with api.client_with(token) as limited:
        review = client.V1SelfSubjectRulesReview(spec=client.V1SelfSubjectRulesReviewSpec(namespace=namespace))
        answer = client.AuthorizationV1Api(limited).create_self_subject_rules_review(review).to_dict()
    found: Rights = {}
    for rule in answer["status"]["resource_rules"]:
        names = [rule["resource_names"]] if rule["resource_names"] else []
        for key in itertools.product(rule["api_groups"], rule["resources"], *names):
            found.setdefault(key, set()).update(rule["verbs"])
    return found


@pytest.fixture(scope="module")
def ask(apiserver):
    """Apply the accounts and roles of a case, and return what ``rights`` says of the operator beyond anybody's."""
    for name in (NAMESPACE, "shop", "search", "elsewhere"):
        body = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}}
        apiserver.kubectl("apply", "--filename=-", stdin=yaml.safe_dump(body))
    apiserver.kubectl("create", "serviceaccount", "nobody", f"--namespace={NAMESPACE}")

    def asked(objects, namespace):
        wanted = [each for each in objects if each["kind"].endswith(("ServiceAccount", "Role", "RoleBinding"))]
        text = yaml.safe_dump_all(wanted)
        apiserver.kubectl("apply", "--filename=-", stdin=text)
        try:
            everybody = rights(apiserver, "nobody", namespace)
            ours = rights(apiserver, ACCOUNT, namespace)
        finally:
            apiserver.kubectl("delete", "--wait=false", "--filename=-", stdin=text)
        return {key: verbs for key, verbs in ours.items() if verbs != everybody.get(key)}

    return asked


def case_with(**operator):
    done = template({"operator": operator})
    assert done.returncode == 0, done.stderr
    return [each for each in yaml.safe_load_all(done.stdout) if each]


def test_by_default_it_may_raise_floors_everywhere(ask):
    assert ask(rendered("defaults"), "elsewhere") == FLOOR


def test_where_it_runs_it_may_hold_its_own_lease(ask):
    assert ask(rendered("defaults"), NAMESPACE) == {**FLOOR, **LEASE}


def test_without_floor_and_direct_it_changes_nothing_but_its_own_resource(ask):
    assert ask(rendered("watching"), "elsewhere") == SHADOW


def test_direct_lets_it_set_replicas(ask):
    assert ask(case_with(allow={"direct": True}), "elsewhere") == DIRECT


def test_pods_are_listed_where_their_start_is_to_be_learnt(ask):
    assert ask(case_with(allow={"pods": True}), "elsewhere") == PODS


def test_quotas_are_looked_at_unless_that_is_switched_off(ask):
    assert ("", "resourcequotas") not in ask(case_with(allow={"quotas": False}), "elsewhere")


def test_nodes_are_listed_in_the_whole_cluster_where_that_is_allowed(ask):
    assert ask(case_with(allow={"nodes": True}), "elsewhere") == {**FLOOR, **NODES}
    assert ask(case_with(allow={"nodes": True}, namespaces=["shop"]), "elsewhere") == NODES


@pytest.mark.parametrize("namespace", ["shop", "search"])
def test_in_listed_namespaces_it_has_roles(ask, namespace):
    assert ask(rendered("namespaces"), namespace) == DIRECT


def test_with_listed_namespaces_it_has_no_rights_elsewhere(ask):
    assert ask(rendered("namespaces"), "elsewhere") == {}


def test_in_listed_namespaces_it_has_no_right_in_the_whole_cluster():
    assert not [each for each in rendered("namespaces") if each["kind"].startswith("Cluster")]


def test_another_kind_is_scaled_when_it_is_listed(ask):
    targets = [{"apiGroup": "argoproj.io", "resource": "rollouts"}]
    found = ask(case_with(targets=targets), "elsewhere")
    assert found[("argoproj.io", "rollouts/scale")] == {"get"}
    assert ("apps", "deployments/scale") not in found


def test_the_server_is_given_no_access_to_kubernetes():
    (deployment,) = [
        each for each in rendered("defaults") if each["kind"] == "Deployment" and "server" in each["metadata"]["name"]
    ]
    spec = deployment["spec"]["template"]["spec"]
    assert spec["automountServiceAccountToken"] is False
    bound = [
        subject["name"]
        for each in rendered("defaults")
        if each["kind"].endswith("RoleBinding")
        for subject in each["subjects"]
    ]
    assert spec["serviceAccountName"] not in bound
