"""The forced SLO violation: after the two hours demand falls, our floor follows, and then errors come."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TypeVar

import httpx

from aiops.scaling.state import ScalingState, Trial
from testbed.apiserver import ApiServer
from testbed.demo_cluster import stage
from testbed.demo_cluster.load import Disturbance, Load, Tick
from testbed.demo_cluster.telling import Telling

ERRORS = 0.08
_FALL = timedelta(minutes=5)
_LEFT = 0.4
_TAKEN = 0.1
"""Share of the floor that a change has to take away to be worth the reader's while."""
_GOOD_CHECKS = timedelta(minutes=1)
_WITHIN = timedelta(minutes=30)
_AFTERWARDS = timedelta(minutes=3)

Found = TypeVar("Found")


class NothingTakenBackError(RuntimeError):
    """The story ended before a change was taken back; says how far it came."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RolledBack:
    """What happened.

    Attributes:
        trial: The change that was taken back.
        errors_from: When the errors began.
        rolled_back_at: When it was taken back.
        floor_at: When the HPA's minReplicas was seen to be back.
        events: (when, reason, message) of the PredictiveScaler's Events since demand began to fall.
        alert: ``summary`` of the alert that Alertmanager holds; empty if it holds none.
    """

    trial: Trial
    errors_from: datetime
    rolled_back_at: datetime
    floor_at: datetime
    events: tuple[tuple[datetime, str, str], ...]
    alert: str


def show(load: Load, api: ApiServer, alertmanager_url: str, telling: Telling) -> RolledBack:
    """Have a change harm the SLO, and tell what becomes of it.

    Raises:
        NothingTakenBackError: If nothing was taken back within half an hour of the story.
    """
    begin = load.ticks()[-1].at
    load.disturbance = Disturbance(share=lambda at: 1 - (1 - _LEFT) * min(max((at - begin) / _FALL, 0), 1))
    telling.say(f"{begin:%H:%M} demand begins to fall to {_LEFT:.0%} of the trace, so that replicas can be taken away")

    changed, trial = _first(load, begin + _WITHIN, _harmful, "no change took a tenth of the floor away")
    running = changed.pods[stage.FLOOR].replicas
    telling.say(
        f"{changed.at:%H:%M:%S} the floor went from {trial.before} to {trial.after}, on trial; {running} replicas run"
    )

    load.disturbance.error_ratio[stage.FLOOR] = ERRORS
    telling.say(f"{changed.at:%H:%M:%S} {ERRORS:.0%} of the answers are errors from now on; the SLO allows 1 %")
    _, at = _first(load, changed.at + _WITHIN, _taken_back(changed.at), "the errors were not held against the change")
    back, floor = _first(load, at + _WITHIN, _floor_of(trial.before), "the HPA did not get its minReplicas back")
    took = (at - changed.at).total_seconds()
    telling.say(
        f"{at:%H:%M:%S} taken back, {took:.0f} s of the story after the errors began; the floor is {floor} again"
    )
    load.disturbance.error_ratio.clear()
    load.follow(back.at + _AFTERWARDS)
    return RolledBack(
        trial=trial,
        errors_from=changed.at,
        rolled_back_at=at,
        floor_at=back.at,
        events=_events(api, begin),
        alert=_alert(alertmanager_url),
    )


def _first(load: Load, until: datetime, find: Callable[[Tick], Found | None], otherwise: str) -> tuple[Tick, Found]:
    """Return the first tick in which something is found, and what."""
    found: list[Found] = []

    def seen(tick: Tick) -> bool:
        what = find(tick)
        if what is not None:
            found.append(what)
        return what is not None

    tick = load.follow(until, seen)
    if tick is None:
        said = load.ticks()[-1].scaler
        raise NothingTakenBackError(f"{otherwise} until {until:%H:%M}; the PredictiveScaler says: {said}")
    return tick, found[0]


def _harmful(tick: Tick) -> Trial | None:
    """Return the change on trial if it took enough replicas away, was good for a while, and fewer run since."""
    trial = _state(tick).trial
    if trial is None or trial.before - trial.after < _TAKEN * trial.before or tick.at - trial.started < _GOOD_CHECKS:
        return None
    return trial if tick.pods[stage.FLOOR].replicas < trial.before else None


def _taken_back(since: datetime) -> Callable[[Tick], datetime | None]:
    def find(tick: Tick) -> datetime | None:
        at = _state(tick).rolled_back_at
        return at if at is not None and at >= since else None

    return find


def _floor_of(least: int) -> Callable[[Tick], int | None]:
    def find(tick: Tick) -> int | None:
        floor = tick.pods[stage.FLOOR].floor
        return floor if floor >= least else None

    return find


def _state(tick: Tick) -> ScalingState:
    written = tick.scaler.get("state") or {}
    return ScalingState.recover({key: value for key, value in written.items() if key != "adopted"})[0]


def _events(api: ApiServer, since: datetime) -> tuple[tuple[datetime, str, str], ...]:
    text = api.kubectl(
        "get", "events", f"--namespace={stage.FLOOR}", "--output=json",
        "--field-selector=involvedObject.kind=PredictiveScaler",
    )  # fmt: skip
    found = [
        (datetime.fromisoformat(each["firstTimestamp"]).astimezone(UTC), each["reason"], each["message"])
        for each in json.loads(text)["items"]
    ]
    return tuple(sorted(each for each in found if each[0] >= since))


def _alert(alertmanager_url: str) -> str:
    answer = httpx.get(f"{alertmanager_url}/api/v2/alerts", timeout=5.0, trust_env=False)
    for each in answer.raise_for_status().json():
        if each["labels"].get("alertname") == "PredictiveScalerRolledBack":
            return str(each["annotations"].get("summary", ""))
    return ""
