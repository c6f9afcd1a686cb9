"""A real API server takes what the chart renders: nothing unknown, nothing that Pod Security `restricted` refuses."""

import copy

import pytest
import yaml

from testbed.apiserver import KubectlError
from tests.charts.rendering import MATRIX, NAMESPACE, pods, rendered
from tools.catalog import find_file

RESTRICTED = {f"pod-security.kubernetes.io/{act}": "restricted" for act in ("enforce", "warn")}
# What values of the matrix name as somebody else's.
OTHERS = [
    {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "theirs", "namespace": NAMESPACE}},
    {"apiVersion": "scheduling.k8s.io/v1", "kind": "PriorityClass", "metadata": {"name": "high"}, "value": 1000},
]


@pytest.fixture(scope="module")
def prepared(apiserver):
    """The API with Prometheus Operator's kinds, namespaces that enforce `restricted`, and the ServiceAccounts."""
    definitions = find_file("prometheus-operator", "example/prometheus-operator-crd")
    for kind in ("servicemonitors", "prometheusrules"):
        file = definitions / f"monitoring.coreos.com_{kind}.yaml"
        apiserver.kubectl("apply", "--server-side", "--filename", file)
    apiserver.kubectl("wait", "--for=condition=Established", "crd", "--all", "--timeout=30s")
    objects = [each for case in MATRIX for each in rendered(case)]
    accounts = {each["metadata"]["name"]: each for each in objects if each["kind"] == "ServiceAccount"}
    spaces = [
        {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name, "labels": RESTRICTED}}
        for name in (NAMESPACE, "shop", "search")
    ]
    everything = yaml.safe_dump_all([*spaces, *OTHERS, *accounts.values()])
    apiserver.kubectl("apply", "--filename=-", stdin=everything)
    return apiserver


def try_out(api, objects):
    """Have the API server do everything but store ``objects``; what it would warn of is an error."""
    text = yaml.safe_dump_all(objects, sort_keys=False)
    options = ("--dry-run=server", "--validate=strict", "--warnings-as-errors", "--filename=-")
    return api.kubectl("apply", *options, stdin=text)


def as_pods(case):
    """The pods of a case as objects of their own: Pod Security refuses pods, and only warns of what makes them."""
    for name, template in pods(case).items():
        metadata = {"name": name, "namespace": NAMESPACE, "labels": template["metadata"]["labels"]}
        yield {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": template["spec"]}


@pytest.mark.parametrize("case", MATRIX)
def test_the_api_server_takes_every_object_and_every_pod_of_the_chart(case, prepared):
    objects = [*rendered(case), *as_pods(case)]
    assert try_out(prepared, objects).count("(server dry run)") == len(objects)


def test_pod_security_would_refuse_a_pod_that_may_be_root(prepared):
    pod = copy.deepcopy(next(as_pods("defaults")))
    pod["spec"]["securityContext"].pop("runAsNonRoot")
    with pytest.raises(KubectlError, match='violates PodSecurity "restricted:latest": runAsNonRoot != true'):
        try_out(prepared, [pod])


def test_the_api_server_would_refuse_a_field_that_it_does_not_know(prepared):
    objects = copy.deepcopy(rendered("monitored"))
    (monitor, *_) = [each for each in objects if each["kind"] == "ServiceMonitor"]
    monitor["spec"]["endpoints"][0]["intervall"] = "30s"
    with pytest.raises(KubectlError, match="unknown field"):
        try_out(prepared, objects)
