"""How many pods there is room for: as many as the real scheduler then places, and as quotas of every kind say."""

import asyncio
import time

import pytest
import yaml

from aiops.adapters.kubernetes_http import KubernetesHttp
from aiops.adapters.kubernetes_room import PodNeeds, Quota, nodes
from tests.operators.stage import deployment

CPU = {"resources": {"requests": {"cpu": "7"}}}
MORE = 5


def placed(api, namespace):
    found = api.kubectl("get", "pods", f"--namespace={namespace}", "--output=jsonpath={.items[*].spec.nodeName}")
    return len(found.split())


@pytest.mark.parametrize(
    ("name", "pod"),
    [
        ("plain", {}),
        ("selected", {"nodeSelector": {"tier": "gold"}}),
        ("tolerant", {"tolerations": [{"key": "gone", "operator": "Exists", "effect": "NoSchedule"}]}),
    ],
)
def test_the_scheduler_places_as_many_as_there_is_room_for(cluster, name, pod):
    """Of the two nodes one has a label, and the other a taint."""
    api, namespace = cluster.api, f"room-{name}"
    first, second = api.kubectl("get", "nodes", "--output=jsonpath={.items[*].metadata.name}").split()
    api.kubectl("create", "namespace", namespace)
    api.kubectl("label", "node", first, "tier=gold", "--overwrite")
    api.kubectl("taint", "node", second, "gone=yes:NoSchedule", "--overwrite")
    wanted = deployment("filler", 0)
    template = wanted["spec"]["template"]["spec"]
    template.update(pod)
    template["containers"][0].update(CPU)
    try:
        room = asyncio.run(nodes(KubernetesHttp(api.client)))
        fits = sum(each.fits(PodNeeds.parse(template)) for each in room)
        assert 0 < fits <= 2 * (64 // 7)
        wanted["spec"]["replicas"] = fits + MORE
        api.kubectl("apply", f"--namespace={namespace}", "--filename=-", stdin=yaml.safe_dump(wanted))
        deadline = time.monotonic() + 30
        while placed(api, namespace) < fits and time.monotonic() < deadline:
            time.sleep(0.2)
        time.sleep(1)
        assert placed(api, namespace) == fits
        full = asyncio.run(nodes(KubernetesHttp(api.client)))
        assert sum(each.fits(PodNeeds.parse(template)) for each in full) == 0
    finally:
        api.kubectl("label", "node", first, "tier-")
        api.kubectl("taint", "node", second, "gone-")
        api.kubectl("delete", "namespace", namespace, "--wait=false")
        api.kubectl("delete", "pods", "--all", f"--namespace={namespace}", "--grace-period=0", "--force")


POD = PodNeeds.parse(
    {
        "priorityClassName": "high",
        "overhead": {"memory": "64Mi"},
        "containers": [
            {"resources": {"requests": {"cpu": "250m"}, "limits": {"cpu": "1", "memory": "448Mi"}}},
            {"resources": {"requests": {"cpu": "0.25"}}},
        ],
        "initContainers": [
            {"resources": {"requests": {"cpu": "100m"}}, "restartPolicy": "Always"},
            {"resources": {"requests": {"cpu": "2"}}},
        ],
    }
)


def test_a_pod_needs_what_its_greediest_moment_does():
    """2 cores to start beside the one that stays; a limit without a request is one; overhead comes on top."""
    assert {name: float(each) for name, each in POD.requests.items()} == {"cpu": 2.1, "memory": 2**29, "pods": 1}
    assert {name: float(each) for name, each in POD.limits.items()} == {"cpu": 1.0, "memory": 2**29}


@pytest.mark.parametrize(
    ("hard", "used", "spec", "says"),
    [
        ({"pods": "10"}, {"pods": "4"}, {}, (6, "pods")),
        ({"pods": "10"}, {"pods": "12"}, {}, (0, "pods")),
        ({"cpu": "8400m", "pods": "10"}, {"cpu": "4"}, {}, (2, "cpu")),
        ({"requests.memory": "2Gi"}, {"requests.memory": "511Mi"}, {}, (3, "requests.memory")),
        ({"limits.cpu": "3"}, {}, {}, (3, "limits.cpu")),
        ({"requests.nvidia.com/gpu": "0", "services": "1"}, {}, {}, None),
        ({"pods": "1"}, {}, {"scopes": ["BestEffort"]}, None),
        ({"pods": "1"}, {}, {"scopes": ["NotBestEffort", "NotTerminating"]}, (1, "pods")),
        ({"pods": "1"}, {}, {"scopes": ["Terminating"]}, None),
        *(
            (
                {"pods": "1"},
                {},
                {"scopeSelector": {"matchExpressions": [{"scopeName": "PriorityClass", "operator": by, "values": of}]}},
                says,
            )
            for by, of, says in (("In", ["high"], (1, "pods")), ("NotIn", ["high"], None), ("Exists", [], (1, "pods")))
        ),
    ],
)
def test_a_quota_allows_what_it_leaves(hard, used, spec, says):
    found = {"metadata": {"name": "team"}, "spec": {**spec, "hard": hard}, "status": {"hard": hard, "used": used}}
    assert Quota.parse(found).fits(POD) == says
