"""The guard as a pure reducer: puts each change on trial, says whose fault a bad SLO is, and takes back what did harm.

One trial at a time. A turn is a check. Only a change that took replicas away can be to blame, and while one is on trial
nothing more is taken away; growing never waits. ``docs/concepts/scaling.md`` draws the states and lists who is blamed.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Final

from aiops.scaling.policy import Guard
from aiops.scaling.reason import Reason
from aiops.scaling.state import Lock, Observation, ScalingState, Trial, known
from aiops.series.duration import duration_text

_DAY: Final = timedelta(days=1)


class Verdict(StrEnum):
    """What the SLO queries say at one check."""

    GOOD = "Good"
    BAD = "Bad"
    INCONCLUSIVE = "Inconclusive"
    """At least one has no answer, and none that has is bad: never healthy, and never a failure either."""


class GuardEvent(StrEnum):
    """What a check came to, where that is news."""

    TRIAL_PASSED = "TrialPassed"
    """The SLOs stayed good: the change stands."""
    TRIAL_NOT_BLAMED = "TrialNotBlamed"
    """The time is over with a bad SLO that is not our doing: the change stands."""
    TRIAL_INCONCLUSIVE = "TrialInconclusive"
    """Too long without an answer: the change stands, and nothing more is taken away."""
    TRIAL_VOID = "TrialVoid"
    """The change was never made, or somebody else changed the number: there is nothing to judge."""
    ROLLED_BACK = "RolledBack"
    """The change did harm and is taken back."""
    UNLOCKED = "Unlocked"
    """A person has written something new into ``guard.unlock``: replicas may be taken away again."""
    COOLED_DOWN = "CooledDown"
    """The cool-down is over: replicas may be taken away again."""


@dataclass(frozen=True, slots=True, kw_only=True)
class GuardReport:
    """What the guard found in one turn.

    Attributes:
        verdict: What the SLO queries say.
        message: That, and what follows from it, as a sentence with its numbers.
        event: What is news; None if nothing is.
    """

    verdict: Verdict
    message: str
    event: GuardEvent | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Ruling:
    """What one check came to.

    Attributes:
        report: For people.
        state: The state with what the check changed.
        keep: Why nothing may be taken away in this turn; None if it may.
    """

    report: GuardReport
    state: ScalingState
    keep: Reason | None = None


def check(state: ScalingState, observation: Observation, guard: Guard, now: datetime) -> Ruling:
    """Judge the SLOs, and with them the change that is on trial if there is one.

    Args:
        state: What the turn before left.
        observation: What is seen now.
        guard: What the owner wrote.
        now: The instant of this turn, UTC; not before ``state.decided_at``.
    """
    verdict, said = judge(observation.readings, guard)
    state = _counted(state, observation, now)
    if state.lock is not None:
        if guard.unlock != state.lock.unlock:
            free = replace(state, lock=None, rollbacks=(), restoring=None)
            report = GuardReport(verdict=verdict, message=f"{said}; unlocked", event=GuardEvent.UNLOCKED)
            return Ruling(report=report, state=free, keep=_KEEP[verdict])
        message = f"{said}; locked since {state.lock.since:%Y-%m-%d %H:%M} UTC"
        return Ruling(report=GuardReport(verdict=verdict, message=message), state=state, keep=Reason.LOCKED)
    if state.hold_until is not None:
        hold_until = min(state.hold_until, now + guard.cool_down)  # the owner may have shortened it
        if now < hold_until:
            report = GuardReport(verdict=verdict, message=f"{said}; cool-down for another {_text(hold_until, now)}")
            return Ruling(report=report, state=replace(state, hold_until=hold_until), keep=Reason.COOLING_DOWN)
        over = replace(state, hold_until=None, restoring=None)
        report = GuardReport(verdict=verdict, message=f"{said}; the cool-down is over", event=GuardEvent.COOLED_DOWN)
        return Ruling(report=report, state=over, keep=_KEEP[verdict])
    if state.trial is None:
        return Ruling(report=GuardReport(verdict=verdict, message=said), state=state, keep=_KEEP[verdict])
    return _try(state, state.trial, verdict, said, observation, guard, now)


def judge(readings: Mapping[str, float | None], guard: Guard) -> tuple[Verdict, str]:
    """Return what the readings say, and the sentence for it."""
    bad, missing, good = [], [], []
    for slo in guard.slos:
        reading = readings.get(slo.name)
        if not known(reading):
            missing.append(slo.name)
        elif reading > slo.threshold:
            bad.append(f"{slo.name} is {reading:.4g}, above {slo.threshold:.4g}")
        else:
            good.append(f"{slo.name} is {reading:.4g}, at most {slo.threshold:.4g}")
    if bad:
        return Verdict.BAD, ", ".join(bad)
    if missing:
        return Verdict.INCONCLUSIVE, f"no answer to {', '.join(missing)}"
    return Verdict.GOOD, ", ".join(good)


def put_on_trial(state: ScalingState, current: int, desired: int, verdict: Verdict, now: datetime) -> ScalingState:
    """Return the state after the number is set from ``current`` to ``desired``.

    Growing while a change that took away is on trial does not start anew: what was taken away stays on trial until as
    much is there as before. In a cool-down nothing is put on trial, since nothing is taken away.
    """
    if desired == current or state.holds:
        return state
    trial = state.trial
    if trial is not None and trial.after < trial.before and desired > current:
        return state if desired < trial.before else replace(state, trial=None)
    good = verdict is Verdict.GOOD
    return replace(
        state,
        trial=Trial(before=current, after=desired, started=now, was_good=good),
        last_good=current if good else state.last_good,
    )


_KEEP: Mapping[Verdict, Reason | None] = {
    Verdict.GOOD: None,
    Verdict.BAD: Reason.SLO_VIOLATED,
    Verdict.INCONCLUSIVE: Reason.SLO_UNKNOWN,
}


def _try(
    state: ScalingState,
    trial: Trial,
    verdict: Verdict,
    said: str,
    observation: Observation,
    guard: Guard,
    now: datetime,
) -> Ruling:
    current, change = observation.current, f"{trial.before} -> {trial.after}"
    ended = replace(state, trial=None)

    def ruling(then: ScalingState, keep: Reason | None, message: str, event: GuardEvent | None = None) -> Ruling:
        report = GuardReport(verdict=verdict, message=f"{said}; {message}", event=event)
        return Ruling(report=report, state=then, keep=keep)

    if current < trial.after or trial.after < trial.before <= current:
        message = f"the trial of {change} is void: {current} are set instead"
        return ruling(ended, _KEEP[verdict], message, GuardEvent.TRIAL_VOID)
    missing = observation.ready is not None and observation.ready < trial.after
    over = now - trial.started >= guard.observe
    if verdict is Verdict.INCONCLUSIVE:
        errors = trial.errors + 1
        count = f"{errors} of {guard.consecutive_error_limit} checks in a row"
        if errors >= guard.consecutive_error_limit:
            message = f"the trial of {change} ends without a result after {count}"
            return ruling(ended, Reason.SLO_UNKNOWN, message, GuardEvent.TRIAL_INCONCLUSIVE)
        still = replace(state, trial=replace(trial, errors=errors))
        return ruling(still, Reason.SLO_UNKNOWN, f"{change} stays on trial, {count}")
    if verdict is Verdict.GOOD:
        if over:
            passed = replace(ended, last_good=current)
            return ruling(passed, None, f"the trial of {change} is passed", GuardEvent.TRIAL_PASSED)
        still = replace(state, trial=replace(trial, errors=0, was_good=True, outage=missing))
        message = f"{change} on trial for another {_text(trial.started + guard.observe, now)}"
        return ruling(still, Reason.ON_TRIAL if trial.after < trial.before else None, message)
    outage = missing and (trial.outage or trial.failed == 0)
    elsewhere = _elsewhere(trial, observation, outage=outage)
    if elsewhere:
        if over:
            message = f"the trial of {change} ends, not blamed: {elsewhere}"
            return ruling(ended, Reason.NOT_BLAMED, message, GuardEvent.TRIAL_NOT_BLAMED)
        still = replace(state, trial=replace(trial, errors=0, outage=outage))
        return ruling(still, Reason.NOT_BLAMED, f"{change} is not blamed: {elsewhere}")
    failed = trial.failed + 1
    count = f"{failed} of {guard.failure_limit} failed checks"
    if failed < guard.failure_limit:
        still = replace(state, trial=replace(trial, errors=0, failed=failed, outage=False))
        return ruling(still, Reason.ON_TRIAL, f"{change} on trial, {count}")
    rollbacks = (*state.rollbacks, now)[-guard.max_rollbacks_per_day :]
    back = replace(ended, last_good=trial.before, rolled_back_at=now, rollbacks=rollbacks, restoring=trial.before)
    if len(rollbacks) == guard.max_rollbacks_per_day:
        back = replace(back, lock=Lock(now, guard.unlock))
        then = f"locked after {len(rollbacks)} within a day: write something new into spec.guard.unlock"
    else:
        back = replace(back, hold_until=now + guard.cool_down)
        then = f"cool-down for {duration_text(guard.cool_down)}"
    message = f"{change} is taken back after {count}, then {then}"
    return ruling(back, Reason.ROLLED_BACK, message, GuardEvent.ROLLED_BACK)


def _counted(state: ScalingState, observation: Observation, now: datetime) -> ScalingState:
    """Return the state without what is over: roll-backs of more than a day ago, and one that has come into effect."""
    rollbacks = tuple(at for at in state.rollbacks if timedelta() <= now - at < _DAY)
    there = state.restoring is not None and observation.current >= state.restoring
    if not there and rollbacks == state.rollbacks:
        return state
    return replace(state, rollbacks=rollbacks, restoring=None if there else state.restoring)


def _elsewhere(trial: Trial, observation: Observation, *, outage: bool) -> str:
    """Return why a bad SLO is not the fault of the change; empty if it may be.

    Where it cannot be told, the change is to blame: taking it back only adds replicas.
    """
    running = observation.current if observation.replicas is None else observation.replicas
    if running >= trial.before:
        return f"{running} replicas are not fewer than the {trial.before} before it"
    if not trial.was_good:
        return "the SLO was bad before it"
    if outage:
        return f"{observation.ready} of the {trial.after} replicas that it left are ready"
    return ""


def _text(until: datetime, now: datetime) -> str:
    return duration_text(until - now)
