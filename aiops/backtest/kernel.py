"""The HPA controller's algorithm and the pods under it, compiled. Imported only where something is simulated.

One step is one sync of 15 s. Numbers of the comments are lines of ``pkg/controller/podautoscaler`` in Kubernetes
v1.36.2 (``horizontal.go`` unless said otherwise). ``docs/reference/hpa.md`` lists the cases and what is left out.

Time here is exact, in a controller it is not: a sync comes 15 s after the one before has *ended*, so what was recorded
a whole window ago is always a little older than the window. It is therefore outside, in every window below.
"""

from __future__ import annotations

import math
from typing import NamedTuple

from aiops.scaling.capacity import ROUNDING
from aiops.series import FloatArray, IntArray
from aiops.series.compiled import compiled

MAX, MIN, DISABLED = 0, 1, 2
PODS, PERCENT = 0, 1
# Why a step is as it is; positions in ``cluster.REASONS``.
WITHIN, TOO_FEW, TOO_MANY, UP_LIMIT, DOWN_LIMIT, UP_STABILIZED, DOWN_STABILIZED, NO_METRIC = range(8)


class Settings(NamedTuple):
    """An ``Hpa`` in numbers; periods and windows in steps."""

    per_replica: float
    min_replicas: int
    max_replicas: int
    tolerance: float
    has_behavior: bool
    up_window: int
    up_select: int
    up_policies: IntArray
    down_window: int
    down_select: int
    down_policies: IntArray


class Memory(NamedTuple):
    """What the controller remembers, and the pods; changed in place.

    Attributes:
        scalars: [replicas, ready, first recommendation], shape ``[3]``.
        starting: Pods that wait to be ready, by the step of their creation modulo the start-up delay, ``[delay]``.
        recommended: Recommendations by step modulo length; -1 where there was none.
        added: Replicas added by step modulo length.
        removed: Replicas removed by step modulo length.
    """

    scalars: IntArray
    starting: IntArray
    recommended: IntArray
    added: IntArray
    removed: IntArray


@compiled
def propose(current: int, metric: float, settings: Settings) -> int:
    """Replicas for a metric of type AverageValue: GetExternalPerPodMetricReplicas, replica_calculator.go:382."""
    ratio = metric / (settings.per_replica * current)
    if 1.0 - settings.tolerance <= ratio <= 1.0 + settings.tolerance:
        return current
    # The controller divides integers (milli-units), we divide floats.
    return max(math.ceil(metric / settings.per_replica - ROUNDING), 0)


@compiled
def _changed(events: IntArray, step: int, period: int) -> int:
    """Replicas changed within the period: getReplicasChangePerPeriod, line 1130."""
    total = 0
    for age in range(1, min(period, step + 1)):
        total += events[(step - age) % len(events)]
    return total


@compiled
def _up_limit(current: int, step: int, settings: Settings, memory: Memory) -> int:
    """Most replicas that the rates allow: calculateScaleUpLimitWithScalingRules, line 1383."""
    if settings.up_select == DISABLED:
        return current
    limit, first = 0, True
    for policy in settings.up_policies:
        start = current - _changed(memory.added, step, policy[2]) + _changed(memory.removed, step, policy[2])
        proposed = start + policy[1] if policy[0] == PODS else math.ceil(start * (1.0 + policy[1] / 100.0))
        if first:
            limit, first = proposed, False
        elif settings.up_select == MAX:
            limit = max(limit, proposed)
        else:
            limit = min(limit, proposed)
    return max(limit, current)


@compiled
def _down_limit(current: int, step: int, settings: Settings, memory: Memory) -> int:
    """Fewest replicas that the rates allow: calculateScaleDownLimitWithBehaviors, line 1412."""
    if settings.down_select == DISABLED:
        return current
    limit, first = 0, True
    for policy in settings.down_policies:
        start = current - _changed(memory.added, step, policy[2]) + _changed(memory.removed, step, policy[2])
        proposed = start - policy[1] if policy[0] == PODS else int(start * (1.0 - policy[1] / 100.0))
        if first:
            limit, first = proposed, False
        elif settings.down_select == MAX:  # the most change: the fewest replicas
            limit = min(limit, proposed)
        else:
            limit = max(limit, proposed)
    return min(limit, current)


@compiled
def _highest(wanted: int, step: int, window: int, memory: Memory) -> int:
    highest = wanted
    if step < window:  # the replicas found at the first sync count as recommended then: line 751
        highest = max(highest, memory.scalars[2])
    for age in range(1, min(window, step + 1)):
        highest = max(highest, memory.recommended[(step - age) % len(memory.recommended)])
    return highest


@compiled
def _lowest(wanted: int, step: int, window: int, memory: Memory) -> int:
    lowest = wanted
    if step < window:
        lowest = min(lowest, memory.scalars[2])
    for age in range(1, min(window, step + 1)):
        found = memory.recommended[(step - age) % len(memory.recommended)]
        if found >= 0:
            lowest = min(lowest, found)
    return lowest


@compiled
def _without_behavior(
    current: int, wanted: int, step: int, low: int, settings: Settings, memory: Memory
) -> tuple[int, int]:
    """NormalizeDesiredReplicas, line 1058, and convertDesiredReplicasWithRules, line 1320."""
    stabilized = _highest(wanted, step, settings.down_window, memory)
    if stabilized < low:
        return low, TOO_FEW
    limit = max(2 * current, 4)
    if stabilized > min(limit, settings.max_replicas):
        return (limit, UP_LIMIT) if settings.max_replicas > limit else (settings.max_replicas, TOO_MANY)
    return stabilized, DOWN_STABILIZED if stabilized != wanted else WITHIN


@compiled
def _with_behavior(
    current: int, wanted: int, step: int, low: int, settings: Settings, memory: Memory
) -> tuple[int, int]:
    """NormalizeDesiredReplicasWithBehaviors, line 1093, and its parts in lines 1206 and 1266."""
    stabilized = max(current, _lowest(wanted, step, settings.up_window, memory))
    stabilized = min(stabilized, _highest(wanted, step, settings.down_window, memory))
    reason = WITHIN
    if stabilized != wanted:
        reason = UP_STABILIZED if wanted >= current else DOWN_STABILIZED
    if stabilized > current:
        limit = _up_limit(current, step, settings, memory)
        if stabilized > min(limit, settings.max_replicas):
            return (limit, UP_LIMIT) if settings.max_replicas > limit else (settings.max_replicas, TOO_MANY)
    elif stabilized < current:
        limit = _down_limit(current, step, settings, memory)
        if stabilized < max(limit, low):
            return (limit, DOWN_LIMIT) if low < limit else (low, TOO_FEW)
    return stabilized, reason


@compiled
def sync(step: int, metric: float, floor: int, settings: Settings, memory: Memory) -> tuple[int, int]:
    """One sync of the controller: (replicas to set, why). Records what it recommends: reconcileAutoscaler, line 773.

    Args:
        step: Syncs before this one.
        metric: Total demand; NaN if the metrics API has no answer.
        floor: ``minReplicas`` now.
        settings: Everything else about the HPA; its own minReplicas is the least that ``floor`` can be.
        memory: What is remembered; ``recommended`` is written, the rest is read.
    """
    current = memory.scalars[0]
    low = min(max(floor, settings.min_replicas), settings.max_replicas)
    slot = step % len(memory.recommended)
    memory.recommended[slot] = -1
    if step == 0:
        memory.scalars[2] = current
    if current > settings.max_replicas:  # lines 874 to 881: the bounds come before any metric
        return settings.max_replicas, TOO_MANY
    if current < low:
        return low, TOO_FEW
    if math.isnan(metric):
        return current, NO_METRIC
    wanted = propose(current, metric, settings)
    if settings.has_behavior:
        desired, reason = _with_behavior(current, wanted, step, low, settings, memory)
    else:
        desired, reason = _without_behavior(current, wanted, step, low, settings, memory)
    memory.recommended[slot] = wanted
    return desired, reason


@compiled
def _resize(step: int, desired: int, memory: Memory) -> None:
    """Create pods, or remove them: those that are still starting first, the newest of them first."""
    scalars, starting = memory.scalars, memory.starting
    change = desired - scalars[0]
    delay = len(starting)
    memory.added[step % len(memory.added)] = max(change, 0)
    memory.removed[step % len(memory.removed)] = max(-change, 0)
    scalars[0] = desired
    if change > 0:
        if delay:
            starting[step % delay] += change
        else:
            scalars[1] += change
    elif change < 0:
        left = -change
        for age in range(delay):
            taken = min(left, starting[(step - age) % delay])
            starting[(step - age) % delay] -= taken
            left -= taken
        scalars[1] -= left


@compiled
def advance(
    first: int,
    count: int,
    direct: bool,
    metric: FloatArray,
    floors: IntArray,
    settings: Settings,
    memory: Memory,
    replicas: IntArray,
    ready: IntArray,
    reasons: IntArray,
) -> None:
    """Run ``count`` steps from step ``first`` on and write what was there into the last three arrays, shape ``[n]``.

    Args:
        first: Step to start with; the one after the last step of the call before.
        count: Steps to run.
        direct: There is no HPA: the floor sets the replicas.
        metric: What the HPA sees at each step, shape ``[n]``.
        floors: ``minReplicas`` at each step, shape ``[n]``.
        settings: The HPA.
        memory: Where things stand.
        replicas: Pods that exist, serving or starting.
        ready: Pods that serve.
        reasons: Why the HPA chose what it chose.
    """
    delay = len(memory.starting)
    for step in range(first, first + count):
        if delay:
            slot = step % delay
            memory.scalars[1] += memory.starting[slot]
            memory.starting[slot] = 0
        if direct:
            desired, reason = floors[step], WITHIN
        else:
            desired, reason = sync(step, metric[step], floors[step], settings, memory)
        _resize(step, desired, memory)
        replicas[step] = memory.scalars[0]
        ready[step] = memory.scalars[1]
        reasons[step] = reason
