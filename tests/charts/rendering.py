"""Renders the chart with the real helm, for a matrix of values that covers every branch of its templates."""

import subprocess
from functools import cache
from pathlib import Path
from typing import Any

import yaml

from tools.bootstrap import ROOT
from tools.catalog import find

CHART = ROOT / "charts" / "aiops"
RELEASE = "demo"
NAMESPACE = "monitoring"
# Those that the chart and docs/how-to/install.md name; the fixtures run the last but one.
KUBERNETES = ("1.31", "1.32", "1.33", "1.34", "1.35", "1.36", "1.37")

_MONITORED = {"serviceMonitor": {"enabled": True, "labels": {"release": "kps"}}, "prometheusRule": {"enabled": True}}
_PEER = {"namespaceSelector": {"matchLabels": {"team": "shop"}}}
MATRIX: dict[str, dict[str, Any]] = {
    "defaults": {},
    "server only": {"operator": {"enabled": False}},
    "operator only": {
        "server": {"enabled": False},
        "operator": {"forecasts": {"address": "aiops.example:443"}},
        "auth": {"token": {"existingSecret": "theirs"}},
    },
    "operator only, own authority": {
        "server": {"enabled": False},
        "operator": {"forecasts": {"address": "aiops.example:443"}},
        "auth": {"token": {"existingSecret": "theirs"}, "tls": {"existingSecret": "their-tls"}},
    },
    "no TLS": {"auth": {"tls": {"enabled": False}}},
    "existing secrets": {
        "auth": {"token": {"existingSecret": "token", "key": "bearer"}, "tls": {"existingSecret": "tls"}},
        "prometheus": {"secretName": "prometheus", "ca": {"configMap": "authorities", "key": "root.pem"}},
        "registry": {"url": "https://mlflow.example", "secretName": "mlflow"},
    },
    "namespaces": {"operator": {"namespaces": ["shop", "search"], "allow": {"direct": True}}},
    "watching": {
        "server": {
            "monitors": {"errors": {"query": 'sum(rate(errors_total{app="a:b"}[5m]))', "step": "1m"}},
            "reflection": True,
            "env": {"AIOPS_PROMETHEUS__TIMEOUT": "60s"},
        },
        "operator": {"allow": {"floor": False, "direct": False}},
    },
    "monitored": _MONITORED,
    "monitored server": {**_MONITORED, "operator": {"enabled": False}},
    "volume": {"server": {"persistence": {"enabled": True, "storageClass": "fast", "size": "2Gi"}}},
    "existing volume": {"server": {"persistence": {"enabled": True, "existingClaim": "outbox"}}},
    "replicas": {
        "server": {"replicas": 2},
        "operator": {"replicas": 2},
        "networkPolicy": {"enabled": True},
        "alertmanager": {"urls": ["http://alertmanager-0:9093/", "http://alertmanager-1:9093/"]},
    },
    "everything else": {
        "fullnameOverride": "telemetry",
        "commonLabels": {"team": "sre"},
        "imagePullSecrets": [{"name": "registry"}],
        "runAsUser": None,
        "networkPolicy": {"enabled": True, "clients": [_PEER], "scrapers": [_PEER]},
        "crds": {"install": False},
        "server": {
            "service": {"type": "LoadBalancer", "port": 443, "annotations": {"a": "b"}},
            "podDisruptionBudget": {"enabled": False},
            "serviceAccount": {"create": False, "name": "theirs"},
            "podLabels": {"a": "b"},
            "podAnnotations": {"a": "b"},
            "priorityClassName": "high",
            "nodeSelector": {"disk": "ssd"},
            "tolerations": [{"operator": "Exists"}],
            "affinity": {"nodeAffinity": {}},
            "topologySpreadConstraints": [
                {"maxSkew": 1, "topologyKey": "zone", "whenUnsatisfiable": "DoNotSchedule", "labelSelector": {}}
            ],
        },
        "operator": {
            "giveBack": {"enabled": False},
            "allow": {"quotas": False, "nodes": True},
            "podDisruptionBudget": {"maxUnavailable": "50%"},
            "serviceAccount": {"annotations": {"a": "b"}},
        },
    },
}


def helm(*arguments: str | Path, stdin: str | None = None) -> subprocess.CompletedProcess[str]:
    """Run helm; return how it ended."""
    return subprocess.run([find("helm"), *arguments], input=stdin, capture_output=True, text=True, check=False)


def template(values: dict[str, Any], *options: str, release: str = RELEASE) -> subprocess.CompletedProcess[str]:
    """Render the chart, hooks included; return how helm ended."""
    given = (f"--namespace={NAMESPACE}", "--values=-", *options)
    return helm("template", release, CHART, *given, stdin=yaml.safe_dump(values))


@cache
def rendered(case: str) -> list[dict[str, Any]]:
    """Return the objects of a case of the matrix."""
    done = template(MATRIX[case])
    assert done.returncode == 0, done.stderr
    return [each for each in yaml.load_all(done.stdout, yaml.CSafeLoader) if each]


def pick(case: str, kind: str, name: str) -> dict[str, Any]:
    """Return the one object of this kind whose name ends so."""
    (found,) = [each for each in rendered(case) if each["kind"] == kind and each["metadata"]["name"].endswith(name)]
    return found


def pods(case: str) -> dict[str, dict[str, Any]]:
    """Return the pod templates of a case by the name of their owner."""
    owners = [each for each in rendered(case) if each["kind"] in ("Deployment", "Job")]
    return {each["metadata"]["name"]: each["spec"]["template"] for each in owners}
