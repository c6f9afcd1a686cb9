"""How long pods took from creation to ready, as the Kubernetes API shows it."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any, Final

from aiops.adapters.kubernetes_http import KubernetesHttp, path_of

_MOST: Final = "200"  # of many pods, so many say enough


async def startups(http: KubernetesHttp, namespace: str, selector: str) -> list[timedelta]:
    """Return the times of pods that are ready and whose containers never restarted, newest pod first.

    Raises:
        UpstreamUnavailableError: If the API did not answer.
        UpstreamRejectedError: If pods may not be listed.
    """
    found = await http.get(path_of("v1", "pods", namespace), labelSelector=selector, limit=_MOST) or {}
    seen = [each for pod in found.get("items") or [] if (each := _startup(pod)) is not None]
    return [took for _, took in sorted(seen, reverse=True)]


def _startup(pod: dict[str, Any]) -> tuple[datetime, timedelta] | None:
    status = pod.get("status") or {}
    if any(each.get("restartCount") for each in status.get("containerStatuses") or []):
        return None
    for condition in status.get("conditions") or []:
        if (condition.get("type"), condition.get("status")) == ("Ready", "True"):
            created = datetime.fromisoformat(pod["metadata"]["creationTimestamp"])
            return created, datetime.fromisoformat(condition["lastTransitionTime"]) - created
    return None
