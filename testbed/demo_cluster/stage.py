"""What stands in the cluster before anybody scales: two namespaces with the same Deployment under the same HPA."""

from __future__ import annotations

from typing import Any

import yaml

from testbed.apiserver import ApiServer

PLAIN, FLOOR = "plain-hpa", "with-floor"
NAMESPACES = (PLAIN, FLOOR)
SHOP = "shop"
METRIC = "shop_demand"
DEMAND = f'avg_over_time({METRIC}{{namespace="$namespace"}}[1m])'
"""Mean of the last minute: what the HPA is shown, and what our forecast is made from."""
ERRORS = "shop_error_ratio"
HPA_TARGET = 0.7
LEAST, MOST = 2, 400


def set_up(api: ApiServer, replicas: int) -> None:
    """Make both namespaces, with ``replicas`` of the workload in each, and wait until all are ready."""
    objects: list[dict[str, Any]] = []
    for namespace in NAMESPACES:
        objects += [
            {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": namespace}},
            _deployment(namespace, replicas),
        ]
    api.kubectl("apply", "--filename=-", stdin=yaml.safe_dump_all(objects))
    for namespace in NAMESPACES:
        api.kubectl("rollout", "status", f"deployment/{SHOP}", f"--namespace={namespace}", "--timeout=60s")


def add_hpas(api: ApiServer, capacity_per_replica: float) -> None:
    """Put both workloads under their HPAs, which are the same but for the namespace."""
    hpas = [_hpa(namespace, capacity_per_replica) for namespace in NAMESPACES]
    api.kubectl("apply", "--filename=-", stdin=yaml.safe_dump_all(hpas))


def predictive_scaler(capacity_per_replica: float) -> str:
    """Return the PredictiveScaler of the second namespace, as an operator would write it."""
    demand = DEMAND.replace("$namespace", FLOOR)
    errors = f'{ERRORS}{{namespace="{FLOOR}"}}'
    return f"""\
apiVersion: aiops.dev/v1alpha1
kind: PredictiveScaler
metadata:
  name: {SHOP}
  namespace: {FLOOR}
spec:
  mode: Floor
  trust: {{proving: 0s}}
  interval: 30s
  target: {{apiVersion: apps/v1, kind: Deployment, name: {SHOP}}}
  hpa: {{name: {SHOP}}}
  bounds: {{minReplicas: {LEAST}, maxReplicas: {MOST}}}
  load:
    query: '{demand}'
    step: 1m
    history: 14d
    capacityPerReplica: {capacity_per_replica:g}
  forecast: {{model: holt-winters, level: 0.95, window: 4m}}
  guard:
    slos:
      - {{name: errors, query: '{errors}', threshold: 0.01}}
    observe: 10m
    failureLimit: 3
    coolDown: 30m
"""


def _deployment(namespace: str, replicas: int) -> dict[str, Any]:
    labels = {"app": SHOP}
    pod = {"containers": [{"name": SHOP, "image": "shop", "resources": {"requests": {"cpu": "500m"}}}]}
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": SHOP, "namespace": namespace, "labels": labels},
        "spec": {
            "replicas": replicas,
            "selector": {"matchLabels": labels},
            "template": {"metadata": {"labels": labels}, "spec": pod},
        },
    }


def _hpa(namespace: str, capacity_per_replica: float) -> dict[str, Any]:
    target = {"type": "AverageValue", "averageValue": f"{round(1000 * HPA_TARGET * capacity_per_replica)}m"}
    return {
        "apiVersion": "autoscaling/v2",
        "kind": "HorizontalPodAutoscaler",
        "metadata": {"name": SHOP, "namespace": namespace, "labels": {"app": SHOP}},
        "spec": {
            "scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": SHOP},
            "minReplicas": LEAST,
            "maxReplicas": MOST,
            "metrics": [{"type": "External", "external": {"metric": {"name": METRIC}, "target": target}}],
        },
    }
