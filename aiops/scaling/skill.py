"""Trust as bookkeeping over the past: would our number have served better than plain arithmetic of an HPA?

A forecast claims that demand stays below it for a window. When the window is over, its pinball loss at the level that
was asked for is held against that of the reactive number: present demand over a target utilization. The loss counts
being short and paying for too much in one number, and no claim that could have been made is expected to lose less than
the true quantile. So a forecast that is stuck, scaled, late or drifted loses by itself, whatever broke it.

Three memories: a burst of loss is noticed in minutes, a slow one in hours, and trust is earned over a day.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import lru_cache
from typing import Any, Final, NamedTuple

from aiops.errors import DataError
from aiops.scaling.capacity import MOST_REPLICAS, replicas_for
from aiops.scaling.policy import Mode, ScalingPolicy
from aiops.series import epoch_seconds

_MEMORIES: Final = (timedelta(minutes=30), timedelta(hours=2), timedelta(days=1))
_CLAIMS: Final = 4  # a window; keeps the state small
_WORSE: Final = 2.0  # under an HPA, which catches what is short
_WORSE_ALONE: Final = 1.0
_NO_TIME: Final = timedelta()
_DIGITS: Final = 6  # keeps the state small


class Claim(NamedTuple):
    """A forecast whose window is not over.

    Attributes:
        made: When.
        ours: The replicas that it asked for.
        reactive: The replicas that plain arithmetic asked for.
        highest: The most that demand has needed since, in replicas; 0 at first.
    """

    made: datetime
    ours: float
    reactive: float
    highest: float = 0.0


class Loss(NamedTuple):
    """Mean pinball losses in replicas; the latest count most."""

    ours: float = 0.0
    reactive: float = 0.0

    @property
    def ratio(self) -> float:
        """How many times the reactive number's loss ours is; 0 if nothing was lost."""
        if self.ours <= 0.0:
            return 0.0
        return math.inf if self.reactive <= 0.0 else self.ours / self.reactive


_Losses = tuple[Loss, Loss, Loss]


@dataclass(frozen=True, slots=True, kw_only=True)
class Skill:
    """How our forecasts did against the reactive number.

    Attributes:
        since: When the first claim was made; None before.
        judged: When the last one was judged; None before.
        claims: Forecasts whose window is not over, oldest first.
        losses: Over half an hour, two hours and a day.
        proven: Whether trust was ever earned.
        trusted: Whether it stands.
    """

    since: datetime | None = None
    judged: datetime | None = None
    claims: tuple[Claim, ...] = ()
    losses: _Losses = (Loss(), Loss(), Loss())
    proven: bool = False
    trusted: bool = False

    def __post_init__(self) -> None:
        # Each turn makes one, so this is written out: no list is built to look at a few numbers.
        sound = len(self.claims) <= _CLAIMS
        for ours, reactive in self.losses:
            sound = sound and 0.0 <= ours < math.inf and 0.0 <= reactive < math.inf
        for _, ours, reactive, highest in self.claims:
            sound = sound and 0.0 <= ours < math.inf and 0.0 <= reactive < math.inf and 0.0 <= highest < math.inf
        if not sound:
            raise DataError(f"skill is made of at most {_CLAIMS} claims and of finite losses, got {self}")
        if (self.since is None and (self.judged is not None or self.claims)) or (self.trusted and not self.proven):
            raise DataError("what is trusted was proven, and what was claimed was claimed since some time")

    def contradicted(self, tolerated: float) -> bool:
        """Return whether demand is above so many times what half of the claims asked for, within their windows.

        A loss is known when a window is over; this is known at once, and no more of the window makes it untrue.
        """
        exceeded = sum(claim.highest > tolerated * claim.ours for claim in self.claims)
        return 0 < len(self.claims) <= 2 * exceeded

    @property
    def message(self) -> str:
        """Return how it stands, as a sentence with its numbers."""
        if self.judged is None:
            return "no forecast could be judged yet"
        short, middle, long = (each.ratio for each in self.losses)
        return (
            f"forecasts lose {short:.2g}, {middle:.2g} and {long:.2g} times as much as reactive scaling "
            "over 30 min, 2 h and 1 d"
        )

    def to_json(self) -> dict[str, Any]:
        """Return plain data."""
        return {
            "since": None if self.since is None else epoch_seconds(self.since),
            "judged": None if self.judged is None else epoch_seconds(self.judged),
            "claims": [[epoch_seconds(claim.made), *claim[1:]] for claim in self.claims],
            "losses": [list(each) for each in self.losses],
            "proven": self.proven,
            "trusted": self.trusted,
        }


def learn(
    skill: Skill,
    peak: float | None,
    demand: float | None,
    policy: ScalingPolicy,
    now: datetime,
) -> Skill:
    """Judge the claims whose window is over, and note the new one.

    A window with a turn that did not see demand is not judged: its highest demand is not known.

    Args:
        skill: What the turn before left.
        peak: The forecast as it came, usable or None.
        demand: Newest known demand, usable or None.
        policy: What the owner wrote.
        now: The instant of this turn, UTC.
    """
    window = policy.forecast.window
    if demand is None:
        return _weighed(skill, (), skill.judged, skill.losses, policy, now)
    needed = round(min(demand / policy.load.per_replica, MOST_REPLICAS), _DIGITS)
    judged, losses = skill.judged, skill.losses
    claims = []
    for made in skill.claims:
        age = now - made.made
        claim = made if needed <= made.highest else Claim(made.made, made.ours, made.reactive, needed)
        if age < window:
            if age > _NO_TIME:  # the clock did not go back
                claims.append(claim)
        elif age < 2 * window:
            passed = window if judged is None else min(max(now - judged, _NO_TIME), window)
            judged, losses = now, _judged(losses, claim, policy.level, passed)
    if peak is not None and (not claims or now - claims[-1].made >= window / _CLAIMS):
        ours, reactive = _replicas(peak, policy), _replicas(reactive_demand(demand, policy), policy)
        claims.append(Claim(now, ours, reactive))
    return _weighed(skill, tuple(claims[-_CLAIMS:]), judged, losses, policy, now)


def reactive_demand(demand: float, policy: ScalingPolicy) -> float:
    """Return the demand for which a forecast would ask what an HPA at ``trust.reactiveUtilization`` does."""
    return demand * max(policy.load.target_utilization / policy.trust.reactive_utilization, 1.0)


def _replicas(demand: float, policy: ScalingPolicy) -> float:
    most, least = policy.bounds.max_replicas, policy.bounds.min_replicas
    return float(min(max(replicas_for(demand, policy.load.per_replica), least), most))


def _judged(losses: _Losses, claim: Claim, level: float, passed: timedelta) -> _Losses:
    ours = _pinball(claim.highest, claim.ours, level)
    reactive = _pinball(claim.highest, claim.reactive, level)
    (a, b, c), (by_a, by_b, by_c) = losses, _rates(passed)
    return _moved(a, ours, reactive, by_a), _moved(b, ours, reactive, by_b), _moved(c, ours, reactive, by_c)


@lru_cache(maxsize=64)  # turns are mostly equally far apart
def _rates(passed: timedelta) -> tuple[float, float, float]:
    short, middle, long = (-math.expm1(-(passed / memory)) for memory in _MEMORIES)
    return short, middle, long


def _moved(old: Loss, ours: float, reactive: float, rate: float) -> Loss:
    return Loss(
        round(old.ours + rate * (ours - old.ours), _DIGITS),
        round(old.reactive + rate * (reactive - old.reactive), _DIGITS),
    )


def _weighed(
    skill: Skill,
    claims: tuple[Claim, ...],
    judged: datetime | None,
    losses: _Losses,
    policy: ScalingPolicy,
    now: datetime,
) -> Skill:
    short, middle = losses[0].ratio, losses[1].ratio
    since = min(skill.since or now, now) if claims or skill.since else None
    proven, trusted = skill.proven, skill.trusted
    if trusted:
        some = since is None or now - since < _MEMORIES[0]
        worse = _WORSE_ALONE if policy.mode is Mode.DIRECT else _WORSE
        trusted = some or (short <= 2.0 * worse and middle <= worse)
    elif short <= 1.0 and middle <= 1.0:
        proving = policy.trust.proving
        earned = since is not None and now - since >= proving and losses[2].ratio <= 1.0
        proven = trusted = proven or earned or not proving
    return Skill(since=since, judged=judged, claims=claims, losses=losses, proven=proven, trusted=trusted)


def _pinball(found: float, claimed: float, level: float) -> float:
    error = found - claimed
    return level * error if error >= 0.0 else (level - 1.0) * error
