"""The simulated HPA and the real HPA controller are shown the same load, and want the same at every sync.

One sync of the simulation is 15 s; here it is one sync of the cluster's controller, 2 s. A window of k syncs is written
to the real HPA as 2k - 1 seconds: that is between k - 1 and k of its syncs, however late one of them is.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from aiops.adapters.remote_write import RemoteWriter
from aiops.backtest import kernel
from aiops.backtest.cluster import REASONS, memory_of, settings_of
from aiops.backtest.hpa import SYNC, UP, Behavior, Hpa, Kind, RatePolicy, Rules, Select
from aiops.settings import PrometheusSettings
from testbed.external_metrics import external_metrics
from testbed.lockstep import METRIC, QUERY, Act, Seen, perform

PERIOD = timedelta(seconds=2)  # of the fixture `cluster`
STABILIZATION = 3 * SYNC  # ... whose controller remembers for 5 s, where an HPA does not say: 3 syncs
LATEST = 7 / 3  # seconds from sync to sync, up to which 3 syncs are less than the 7 s that stand for 4
ATTEMPTS = 3
CAPACITY = 100.0
NAN = math.nan


@dataclass(frozen=True, kw_only=True)
class Scene:
    """What an HPA is shown; one replica serves 100."""

    id: str
    start: int
    metric: Sequence[float]
    hpa: Hpa
    floors: list[int] | None = None
    ready: bool = True


def rules(*policies, window=0, select=Select.MAX):
    return Rules(stabilization=window * SYNC, policies=policies, select=select)


def pods(value, syncs=1):
    return RatePolicy(kind=Kind.PODS, value=value, period=syncs * SYNC)


def percent(value, syncs=1):
    return RatePolicy(kind=Kind.PERCENT, value=value, period=syncs * SYNC)


def hpa(*, up=None, down=None, most=100):
    behavior = Behavior(up=up or UP, down=down or rules(percent(100))) if up or down else None
    return Hpa(target=1.0, max_replicas=most, behavior=behavior)


def day():
    """Return a morning's rise, a spike and a fall, rough enough to meet every rule of a plain HPA."""
    at = np.arange(24)
    smooth = 900 + 900 * np.sin(at / 24 * 2 * np.pi - 1)
    return np.maximum(smooth + 120 * np.sin(at * 2.4) + np.where(at == 11, 900, 0), 20).round().tolist()


# What each calls the same sync, where the words differ: (real, simulated).
OTHER_WORDS = {
    ("DesiredWithinRange", "ScaleDownStabilized"),  # a sync that changes something says so in the condition's place
    # A sync that enforces a bound looks at no metric, and leaves the conditions of the sync before as they were.
    ("DesiredWithinRange", "TooFewReplicas"),
    ("DesiredWithinRange", "TooManyReplicas"),
    ("FailedGetExternalMetric", "TooFewReplicas"),
}

DOWN_AT_ONCE = rules(percent(100))

SCENES = [
    Scene(id="day", start=2, metric=day(), hpa=hpa()),
    Scene(
        id="day-with-behavior", start=2, metric=day(),
        hpa=hpa(up=rules(pods(3, 2), percent(40, 2)), down=rules(percent(25, 2), window=3)),
    ),
    Scene(id="tolerance-up", start=10, metric=[1000, 1100, 1099, 1101, 1200], hpa=hpa()),
    Scene(id="tolerance-down", start=10, metric=[1000, 900, 901, 899, 899], hpa=hpa(down=DOWN_AT_ONCE)),
    Scene(id="stabilization", start=10, metric=[1000, 800] + [500] * 5, hpa=hpa()),
    Scene(
        id="stabilization-of-its-own", start=10, metric=[1000, 800] + [500] * 5,
        hpa=hpa(down=rules(percent(100), window=4)),
    ),
    Scene(
        id="stabilization-upwards", start=4, metric=[400, 800, 800, 600, 800, 800, 800],
        hpa=hpa(up=rules(percent(100), window=3)),
    ),
    Scene(id="no-behavior-four-then-double", start=1, metric=[9999] * 5, hpa=hpa(most=25)),
    Scene(id="no-behavior-follows-the-highest", start=4, metric=[3000] + [400] * 5, hpa=hpa()),
    Scene(
        id="behavior-never-grows-to-the-past", start=4, metric=[3000] + [400] * 5,
        hpa=hpa(up=UP, down=rules(percent(100), window=3)),
    ),
    Scene(id="default-policies-up", start=1, metric=[9999] * 5, hpa=hpa(up=UP, most=40)),
    Scene(id="pods-in-a-period", start=6, metric=[9999] * 8, hpa=hpa(up=rules(pods(4, 3)))),
    Scene(id="percent-rounds-up", start=15, metric=[9999] * 3, hpa=hpa(up=rules(percent(10)))),
    Scene(id="slow-down", start=40, metric=[500] * 10, hpa=hpa(down=rules(pods(4, 2), percent(10, 2)))),
    Scene(
        id="smaller-change", start=30, metric=[500] * 6,
        hpa=hpa(down=rules(pods(5, 2), percent(10, 2), select=Select.MIN)),
    ),
    Scene(
        id="never-down", start=6, metric=[600] + [100] * 4,
        hpa=hpa(down=rules(percent(100), select=Select.DISABLED)),
    ),
    Scene(id="never-up", start=6, metric=[600, 9999, 9999], hpa=hpa(up=rules(percent(100), select=Select.DISABLED))),
    Scene(id="missing", start=6, metric=[600, NAN, NAN, 900, NAN, NAN, NAN, NAN, 300, 300, 300, 300], hpa=hpa()),
    Scene(id="bounds", start=6, metric=[600, 0, 0, 0, 0, 9999, 9999], hpa=hpa(most=9), floors=[3] * 7),
    Scene(id="floor-rises", start=3, metric=[300] * 9, hpa=hpa(), floors=[1, 1, 20, 20, 8, 8, 8, 8, 8]),
    Scene(id="floor-rises-without-metric", start=3, metric=[300, NAN, NAN, NAN], hpa=hpa(), floors=[1, 1, 12, 12]),
    Scene(id="above-the-most", start=20, metric=[2000, 2000, 2000], hpa=hpa(most=8)),
    Scene(id="pods-that-never-start", start=4, metric=[400, 800, 800, 900] + [400] * 4, hpa=hpa(), ready=False),
]  # fmt: skip


def simulated(scene: Scene) -> tuple[list[int], list[str]]:
    n = len(scene.metric)
    settings = settings_of(scene.hpa, CAPACITY)
    if scene.hpa.behavior is None:
        settings = settings._replace(down_window=STABILIZATION // SYNC)
    replicas, ready, reasons = (np.zeros(n, np.int64) for _ in range(3))
    kernel.advance(
        0, n, False, np.array(scene.metric, np.float64), np.array(scene.floors or [1] * n),
        settings, memory_of(settings, 0, scene.start),
        replicas, ready, reasons,
    )  # fmt: skip
    return replicas.tolist(), [str(REASONS[code]) for code in reasons]


def seconds(length: timedelta) -> int:
    return max(2 * (length // SYNC) - 1, 0)


def spec_of(each: Hpa) -> dict[str, Any]:
    spec: dict[str, Any] = {"maxReplicas": each.max_replicas}
    if each.behavior is not None:
        spec["behavior"] = {
            name: {
                "stabilizationWindowSeconds": seconds(rule.stabilization),
                "selectPolicy": str(rule.select),
                "policies": [
                    {"type": str(policy.kind), "value": policy.value, "periodSeconds": seconds(policy.period)}
                    for policy in rule.policies
                ],
            }
            for name, rule in (("scaleUp", each.behavior.up), ("scaleDown", each.behavior.down))
        }
    return spec


def act_of(scene: Scene, attempt: int) -> Act:
    return Act(
        namespace=f"{scene.id}-{attempt}",
        replicas=scene.start,
        spec=spec_of(scene.hpa),
        average_value=CAPACITY,
        metric=scene.metric,
        floors=scene.floors or [1] * len(scene.metric),
        ready=scene.ready,
    )


@pytest.fixture(scope="module")
def performed(cluster, prometheus):
    """Every scene on the real controller, all at once: about a minute.

    On a machine that is busy, a sync can come so late that it is not clear what is still in a window, or a status can
    lag behind; such scenes are played again.
    """
    writer = RemoteWriter(PrometheusSettings(url=prometheus.url))
    seen: dict[str, Seen] = {}
    left = list(SCENES)
    with external_metrics(cluster.api, prometheus.url, {METRIC: QUERY}) as metrics:
        for attempt in range(1, ATTEMPTS + 1):
            acts = [act_of(scene, attempt) for scene in left]
            found = perform(cluster.api, metrics, writer, acts, sync_period=PERIOD)
            seen |= {scene.id: found[act.namespace] for scene, act in zip(left, acts, strict=True)}
            left = [scene for scene in left if seen[scene.id].longest_period > LATEST or not seen[scene.id].settled]
            if not left:
                break
            print(f"attempt {attempt}: too late to tell: {', '.join(scene.id for scene in left)}")
    return seen


@pytest.mark.timeout(400)
@pytest.mark.parametrize("scene", SCENES, ids=lambda scene: scene.id)
def test_both_want_the_same_at_every_sync(scene, performed):
    real = performed[scene.id]
    replicas, reasons = simulated(scene)
    print(f"{scene.id}: {scene.start} replicas at first; the longest period was {real.longest_period:.2f} s")
    print(f"{'metric':>8} {'real':>5} {'simulated':>10}  reasons")
    for metric, was, ours, why, our_why in zip(
        scene.metric, real.replicas, replicas, real.reasons, reasons, strict=True
    ):
        said = why if why == our_why else f"{why} / {our_why}"
        print(f"{metric:8g} {was:5d} {ours:10d}  {said}")
    assert real.replicas == replicas
    assert {words for words in zip(real.reasons, reasons, strict=True) if words[0] != words[1]} <= OTHER_WORDS


def test_the_documentation_lists_every_scene_and_counts_the_syncs():
    text = (Path(__file__).parents[2] / "docs" / "reference" / "hpa.md").read_text()
    assert all(f"`{scene.id}`" in text for scene in SCENES)
    assert f"equal at each of these {sum(len(scene.metric) for scene in SCENES)} syncs" in text
