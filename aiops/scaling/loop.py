"""The scaling loop as a reducer: (state, what is seen, forecast) -> (decision, state).

It is level-triggered: a turn looks at the world as it is and not at what it did before. The only memory is what was
needed lately, so that demand which falls for a moment does not take replicas away, and what the guard has on trial. The
state is plain and small; it lives in a status or a file, and a restart between any two turns changes nothing.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta
from typing import Final

from aiops.scaling.agenda import agenda
from aiops.scaling.capacity import replicas_for
from aiops.scaling.decide import ScalingDecision, decide
from aiops.scaling.frozen import repeated
from aiops.scaling.guard import GuardEvent, Ruling, check, put_on_trial
from aiops.scaling.plausible import Belief, believe, dips, most_believed
from aiops.scaling.policy import Mode, ScalingPolicy
from aiops.scaling.reason import Reason
from aiops.scaling.skill import Skill, learn, reactive_demand
from aiops.scaling.state import Lowered, Observation, ScalingState, known, usable

_CLOCK_SKEW: Final = timedelta(hours=1)  # a state from further ahead was not left by a turn of this loop
_MOST_NEEDS: Final = 40  # keeps the state small; each is at most 27 bytes of JSON
_BLIND: Final = frozenset(
    {
        Reason.SLO_UNKNOWN,
        Reason.SLO_VIOLATED,
        Reason.NOT_BLAMED,
        Reason.FORECAST_MISSING,
        Reason.FORECAST_FROZEN,
        Reason.ANOMALOUS_DIP,
    }
)
_REACTIVE: Final = frozenset({Reason.FORECAST_IMPLAUSIBLE, Reason.FORECAST_UNSKILLED})
_HEADROOM: Final = 1.1  # of present demand, whatever a trusted forecast says: an HPA tolerates as much
_PATIENCE: Final = timedelta(hours=1)  # with what is odd; then it is the new normal


def step(
    state: ScalingState,
    observation: Observation,
    peak: float | None,
    policy: ScalingPolicy,
    now: datetime,
    *,
    later: float | None = None,
) -> tuple[ScalingDecision, ScalingState]:
    """Take one turn.

    The first turn, and every turn that cannot see demand, lacks a forecast of lately or whose SLOs are not good, counts
    what is there as needed: shrinking starts a full stabilization window after the last time that we were blind.

    Args:
        state: What the turn before left.
        observation: What is seen now.
        peak: Forecast of the highest demand in the window at the policy's level; None if there is none.
        policy: What the owner wrote.
        now: The instant of this turn, UTC.
        later: Forecast for the second of ``policy.horizons``; None where it was not asked for. If it is NaN, infinite
            or negative it could not be had, and nothing is taken away.
    """
    current = observation.current
    if state.decided_at is not None and now < state.decided_at:
        held = ScalingDecision(current=current, desired=current, reason=Reason.CLOCK_WENT_BACK)
        return held, _afresh(state, current, now) if state.decided_at - now > _CLOCK_SKEW else state
    if policy.suspend:
        held = ScalingDecision(current=current, desired=current, reason=Reason.SUSPENDED)
        return held, replace(_afresh(state, current, now), mode=policy.mode, effective_mode=Mode.SHADOW, suspended=True)
    state = _in_mode(state, policy)
    since = timedelta() if state.decided_at is None else now - state.decided_at
    needs = state.needs if state.decided_at is not None else ((now, current),)
    ruling = None
    if policy.guard is not None:
        ruling = check(replace(state, decided_at=now, needs=needs), observation, policy.guard, now)
        state = ruling.state
    demand, forecast = usable(observation.demand), usable(peak)
    oldest = now - policy.behavior.scale_down.stabilization_window
    recent = [need for need in needs if need[0] > oldest]
    repeat = repeated(state.repeat, forecast, demand, policy, now)
    absent = None if repeat is not None else Reason.FORECAST_MISSING
    if repeat is not None and repeat.frozen(policy, now):
        forecast, absent = None, Reason.FORECAST_FROZEN
    absent_since = None if absent is None else state.absent_since or now
    waits = absent_since is not None and now - absent_since < _PATIENCE
    belief = believe(state.record, forecast, demand, policy.forecast.history_cap, since, now)
    skill = learn(state.skill, forecast, demand, policy, now)
    dip_since = (state.dip_since or now) if dips(belief.record, demand) else None
    planned = agenda(policy.calendar, belief.record, policy.forecast.window, now)
    keep = None if ruling is None else ruling.keep
    if waits:
        keep = keep or absent  # neither what is planned for nor what is there is a reason to shrink
    elif keep is None and dip_since is not None and now - dip_since < _PATIENCE:
        keep = Reason.ANOMALOUS_DIP
    pause = policy.behavior.scale_down.pause
    lowered = state.lowered if state.lowered is not None and now - state.lowered.at < pause else None
    if keep is None and lowered is not None and current <= lowered.to:
        keep = Reason.STEP_OBSERVED
    read, doubt = _read(belief, absent, skill, demand, policy, waits=waits)
    soon = _soon(belief, doubt, later, policy)
    peak, doubt = planned.demand(read, doubt)
    low, high = _bounds(state, observation, policy, planned.min_replicas, peak)
    if belief.peak is None and doubt is Reason.CALENDAR_EVENT:
        high = max(high, current)  # without a forecast not even the bounds take anything away
    decision = decide(
        current,
        peak,
        policy,
        hold_at=recent[0][1] if recent else 0,
        soon=soon,
        demand_known=demand is not None,
        keep=planned.keep(keep),
        low=low,
        high=high,
        doubt=doubt,
    )
    decision = planned.applied(decision, policy)
    needed = decision.wanted
    if needed is None or (needed < current and (demand is None or keep in _BLIND)):
        needed = current
    if ruling is not None:
        decision = _guarded(decision, ruling, observation, policy, high)
        if acts(policy.mode, skill):
            state = put_on_trial(state, current, decision.desired, ruling.report.verdict, now)
    if pause and decision.desired < current and (lowered is None or lowered.to != decision.desired):
        lowered = Lowered(now, decision.desired)  # what is decided again and not followed keeps its time
    recent = [need for need in recent if need[1] > needed]
    recent.append((now, needed))
    return decision, ScalingState(
        decided_at=now,
        needs=_fewer(recent),
        mode=policy.mode,
        effective_mode=_effective(policy.mode, skill),
        baseline=state.baseline,
        trial=state.trial,
        last_good=state.last_good,
        hold_until=state.hold_until,
        rolled_back_at=state.rolled_back_at,
        rollbacks=state.rollbacks,
        restoring=None if state.restoring is None else min(state.restoring, high),
        lock=state.lock,
        absent_since=absent_since,
        dip_since=dip_since,
        lowered=lowered,
        repeat=repeat,
        record=belief.record,
        skill=skill,
    )


def acts(mode: Mode, skill: Skill) -> bool:
    """Return whether decisions change the world.

    A floor is not touched before forecasts have proven themselves. In mode Direct nobody else would scale, so it acts
    from the beginning, reactively.
    """
    return mode is Mode.DIRECT or (mode is Mode.FLOOR and skill.proven)


def _effective(mode: Mode, skill: Skill) -> Mode:
    return mode if skill.trusted or not mode.applies else Mode.RECOMMEND


def _read(
    belief: Belief, absent: Reason | None, skill: Skill, demand: float | None, policy: ScalingPolicy, *, waits: bool
) -> tuple[float | None, Reason | None]:
    """Return the demand that the decision reads, and why it is not the forecast.

    Where forecasts do not count, present demand does: under an HPA with a tenth above it, since an HPA tolerates as
    much and would add nothing to a floor that just serves; in mode Direct with the headroom that an HPA has.
    """
    if demand is None:
        return belief.peak, belief.doubt or absent
    present = demand * _HEADROOM
    if policy.mode is Mode.DIRECT:
        reactive = reactive_demand(demand, policy)
        if belief.peak is None:
            return reactive, absent
        if not skill.trusted or (belief.peak < reactive and skill.contradicted(_HEADROOM)):
            return reactive, Reason.FORECAST_UNSKILLED
        return max(belief.peak, present), belief.doubt
    if belief.peak is None:
        return None if waits else present, absent
    if skill.proven and not skill.trusted:
        return present, Reason.FORECAST_UNSKILLED
    return max(belief.peak, present) if belief.doubt is Reason.FORECAST_IMPLAUSIBLE else belief.peak, belief.doubt


def _soon(belief: Belief, doubt: Reason | None, later: float | None, policy: ScalingPolicy) -> int | None:
    """Return what will be needed soon after the window, as far as forecasts are believed; 0 where they are not.

    None if it was asked for and could not be had.
    """
    if later is None or belief.peak is None or doubt in _REACTIVE:
        return 0
    forecast, limit = usable(later), most_believed(belief.record, policy.forecast.history_cap)
    if forecast is None:
        return None
    return replicas_for(forecast if limit is None else min(forecast, limit), policy.load.per_replica)


def _afresh(state: ScalingState, current: int, now: datetime) -> ScalingState:
    """Return a state that remembers only what the target gets back, what was learnt, and that a person has to unlock.

    What is there counts as needed.
    """
    return ScalingState(
        decided_at=now,
        needs=((now, current),),
        baseline=state.baseline,
        record=state.record,
        skill=state.skill,
        rollbacks=tuple(at for at in state.rollbacks if at <= now),
        lock=state.lock,
    )


def _in_mode(state: ScalingState, policy: ScalingPolicy) -> ScalingState:
    """Return the state without a trial of what is not controlled any more; a cool-down outlasts a change of mode."""
    if state.holds and policy.guard is None:
        state = replace(state, hold_until=None, lock=None, restoring=None)
    goes_on = policy.guard is not None and policy.mode.applies and policy.mode is (state.mode or state.effective_mode)
    return state if state.trial is None or goes_on else replace(state, trial=None)


def _bounds(
    state: ScalingState, observation: Observation, policy: ScalingPolicy, at_least: int, peak: float | None
) -> tuple[int, int]:
    wanted = 0 if peak is None else replicas_for(peak, policy.load.per_replica)
    low, high = max(policy.bounds.min_replicas, at_least), policy.bounds.most(wanted, observation.current)
    if observation.ceiling is not None:
        high = min(high, observation.ceiling)
    if state.baseline is not None and policy.mode is Mode.FLOOR:
        low, high = max(low, state.baseline), max(high, state.baseline)
    return min(low, high), high


def _guarded(
    decision: ScalingDecision, ruling: Ruling, observation: Observation, policy: ScalingPolicy, high: int
) -> ScalingDecision:
    """Return the decision with what the guard asks for: at least the last good number during a cool-down.

    The turn that takes a change back goes at once to what demand needs now, if that is more: no pace applies.
    """
    desired, reason, limits = decision.desired, decision.reason, decision.limits
    if ruling.report.event is GuardEvent.ROLLED_BACK:
        now_needed = replicas_for(observation.demand, policy.load.per_replica) if known(observation.demand) else 0
        back = min(max(ruling.state.last_good or 0, decision.wanted or 0, now_needed), high)
        desired, reason, limits = max(desired, back), Reason.ROLLED_BACK, (*limits, Reason.ROLLED_BACK)
    elif ruling.keep is not None and ruling.state.holds and desired < min(ruling.state.last_good or 0, high):
        desired = min(ruling.state.last_good or 0, high)
        reason, limits = ruling.keep, (*limits, ruling.keep)
    elif ruling.keep is Reason.NOT_BLAMED and desired == decision.current:
        reason = Reason.NOT_BLAMED
    return replace(decision, desired=desired, reason=reason, limits=limits, guard=ruling.report)


def _fewer(needs: list[tuple[datetime, int]]) -> tuple[tuple[datetime, int], ...]:
    """Return at most ``_MOST_NEEDS`` of them: one that goes is replaced by a later one, so it holds a bit longer."""
    if len(needs) > _MOST_NEEDS:
        first = min(range(len(needs) - 1), key=lambda i: needs[i + 1][0] - needs[i][0])
        needs[first : first + 2] = [(needs[first + 1][0], needs[first][1])]
    return tuple(needs)
