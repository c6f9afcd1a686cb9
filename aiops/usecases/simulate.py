"""What a policy would have done on a history: the decisions that change something, and a scenario made of them."""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import repeat

import yaml

from aiops.backtest.outcome import Turn
from aiops.backtest.replay import Case, decide_floors, peaks_for
from aiops.backtest.study import Contender
from aiops.scaling.loop import step
from aiops.scaling.policy import ScalingPolicy
from aiops.scaling.state import Observation, ScalingState
from aiops.series.duration import format_duration


@dataclass(frozen=True, slots=True, kw_only=True)
class Simulated:
    """One workload under one policy, in mode Floor.

    Attributes:
        name: The workload.
        policy: What decided, with the workload's own capacity.
        turns: Every decision of the scored time.
        demands: The newest known demand at each; NaN if it was not known.
        peaks: The forecast for the window that each read; NaN if there was none.
        later: That for as far as the policy looks ahead; NaN if there was none, empty if it was not asked for.
    """

    name: str
    policy: ScalingPolicy
    turns: tuple[Turn, ...]
    demands: tuple[float, ...]
    peaks: tuple[float, ...]
    later: tuple[float, ...]

    def changes(self) -> list[dict[str, object]]:
        """Return one row for each decision that changed the number."""
        rows = zip(self.turns, self.demands, self.peaks, strict=True)
        return [
            {
                "workload": self.name,
                "at": turn.at,
                "demand": demand,
                "forecast": peak,
                "from": turn.decision.current,
                "to": turn.decision.desired,
                "reason": str(turn.decision.reason),
                "why": turn.decision.message,
            }
            for turn, demand, peak in rows
            if turn.decision.desired != turn.decision.current
        ]

    def reasons(self) -> list[tuple[str, int]]:
        """Return how many decisions had each reason, most frequent first."""
        return Counter(str(turn.decision.reason) for turn in self.turns).most_common()

    def scenario(self, start: datetime, length: timedelta) -> str:
        """Return what was seen from an instant on as a scenario that ``aiops policy check --scenarios`` plays.

        A story starts without memory, and so do the decisions that it tells: for a while they may differ from those of
        the simulation, which remembers what was before. Numbers are rounded to six digits, in story and decisions.
        """
        further = ({"laterDemand": _rounded(later)} for later in self.later) if self.later else repeat({})
        rows = [
            (turn, _rounded(demand), _rounded(peak), more)
            for turn, demand, peak, more in zip(self.turns, self.demands, self.peaks, further, strict=False)
            if start <= turn.at < start + length
        ]
        if not rows:
            return ""
        first = rows[0][0]
        every = rows[1][0].at - first.at if len(rows) > 1 else timedelta(minutes=1)
        policy = self.policy.model_copy(update={"guard": None, "suspend": False})
        head = {
            "story": f"What {self.name} had from {first.at.isoformat()} on.",
            "policy": policy.to_spec(),
            "start": first.at.isoformat(),
            "every": format_duration(every),
        }
        lines = [yaml.safe_dump(head, sort_keys=False), "turns:"]
        state, current = ScalingState(), first.decision.current
        for index, (turn, demand, peak, more) in enumerate(rows):
            seen = Observation(current=current, demand=demand)
            later = next((math.nan if each is None else each for each in more.values()), None)
            decision, state = step(state, seen, peak, policy, turn.at, later=later)
            told: dict[str, object] = {"current": current} if index == 0 else {}
            told |= {"peakDemand": peak, **more, "demand": demand}
            told |= {"desired": decision.desired, "reason": str(decision.reason)}
            lines.append(
                f"  - {yaml.safe_dump(told, sort_keys=False, default_flow_style=True, width=math.inf).strip()}"
            )
            current = decision.desired
        return "\n".join([*lines, ""])


def simulate(case: Case, contender: Contender) -> Simulated:
    """Replay a policy on a history, decision by decision.

    Raises:
        DataError: If there is too little of it to forecast from.
    """
    policy = contender.policy_of(case)
    peaks = peaks_for(case, policy, contender.forecaster)
    own, *further = peaks.T.tolist()
    demands = case.history.values[case.cutoffs]
    turns = decide_floors(case, policy, peaks, policy.bounds.min_replicas)
    scored = [index for index, turn in enumerate(turns) if turn.at >= case.start]
    return Simulated(
        name=case.name,
        policy=policy,
        turns=tuple(turns[index] for index in scored),
        demands=tuple(float(demands[index]) for index in scored),
        peaks=tuple(own[index] for index in scored),
        later=tuple(each[index] for each in further for index in scored),
    )


def _rounded(value: float) -> float | None:
    return float(f"{value:.6g}") if math.isfinite(value) else None
