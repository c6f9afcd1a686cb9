"""The decision explorer: what was forecast, asked for and ready around the gravest misses, minute by minute."""

from __future__ import annotations

import math
from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

import numpy as np

from aiops.backtest.axes import number
from aiops.backtest.charts import Axis, Band, Line, TimeChart, Tone, Walk
from aiops.backtest.cluster import REASONS
from aiops.backtest.hpa import SYNC
from aiops.backtest.misses import Miss, misses
from aiops.backtest.outcome import ScalingOutcome, Turn
from aiops.backtest.replay import Case, replay_peaks
from aiops.backtest.study import Contender, Setting, peaks_of
from aiops.scaling.policy import ScalingPolicy
from aiops.series import FloatArray
from aiops.series.duration import duration_text

BEFORE = timedelta(minutes=12)
"""What is shown before a miss."""
AFTER = timedelta(minutes=8)
LONGEST = timedelta(minutes=90)
"""The longest stretch that is shown; of a longer miss, the time around its worst moment."""

_MOST_WALKS = 4


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Explored:
    """One workload under one scaler at one setting, looked at closely.

    Attributes:
        outcome: The replay, with its decisions.
        misses: All of them, the gravest first.
        walks: One for each of the gravest.
    """

    outcome: ScalingOutcome
    misses: tuple[Miss, ...]
    walks: tuple[Walk, ...]


def explore(case: Case, contender: Contender, setting: Setting) -> Explored:
    """Replay one contender at one setting, decision by decision, and look at its misses.

    Raises:
        DataError: If no demand is known in the scored time.
    """
    policy = contender.policy_of(case, setting.level)
    peaks = peaks_of(case, contender, [setting])[policy.level]
    outcome = replay_peaks(case, policy, peaks, setting.hpa, scaler=contender.name)
    found = misses(outcome, policy, case.startup_delay)
    walks = tuple(_walk(outcome, policy, miss) for miss in found[:_MOST_WALKS])
    return Explored(outcome=outcome, misses=tuple(found), walks=walks)


def _walk(outcome: ScalingOutcome, policy: ScalingPolicy, miss: Miss) -> Walk:
    begin, end = miss.begin - BEFORE, miss.end + AFTER
    if end - begin > LONGEST:
        begin, end = max(begin, miss.worst - LONGEST / 2), min(end, miss.worst + LONGEST / 2)
    first = max((begin - outcome.start) // SYNC, 0)
    last = min(-((outcome.start - end) // SYNC), len(outcome.demand))
    part, start = slice(first, last), outcome.start + first * SYNC
    needed = np.where(np.isnan(outcome.demand[part]), np.nan, outcome.needed[part])
    track = outcome.track
    ready, replicas, floor = (each[part].astype(np.float64) for each in (track.ready, track.replicas, track.floors))
    per_replica = policy.load.per_replica
    length, level = duration_text(miss.end - miss.begin), policy.level
    chart = TimeChart(
        title=f"{outcome.name}, {miss.worst:%a %d %b %H:%M}: what was known, asked for and ready",
        axis=Axis(label="Replicas"),
        start=start,
        step=SYNC,
        lines=(
            Line(
                name=f"Forecast: {number(100 * level)} % quantile of the peak ahead",
                values=_forecast(outcome.turns, start, last - first) / per_replica,
                tone=Tone.PURPLE,
                steps=True,
                dashed=True,
            ),
            Line(name="Floor asked for", values=floor, tone=Tone.GREEN, steps=True),
            Line(name="Created", values=replicas, tone=Tone.SKY, steps=True),
            Line(name="Ready", values=ready, tone=Tone.BLUE, steps=True),
        ),
        bands=(
            Band(name="Needed", lower=np.zeros(len(needed)), upper=needed, tone=Tone.GREY),
            Band(name="Missing", lower=ready, upper=needed, tone=Tone.RED),
        ),
    )
    return Walk(
        summary=f"{miss.worst:%a %d %b %Y, %H:%M}: {miss.needed - miss.ready} of {miss.needed} missing, short for "
        f"{length}: {miss.cause}",
        text=f"{miss.text[:1].upper()}{miss.text[1:]}.",
        chart=chart,
        steps=_steps(outcome, first, last),
        first_shown=(miss.worst - start) // SYNC,
    )


def _forecast(turns: Sequence[Turn], start: datetime, count: int) -> FloatArray:
    """Return the forecast in force at each step; NaN where there is none."""
    instants = [turn.at for turn in turns]
    found = np.full(count, np.nan)
    for step in range(count):
        turn = _in_force(turns, instants, start + step * SYNC)
        if turn is not None and turn.decision.peak_demand is not None:
            found[step] = turn.decision.peak_demand
    return found


def _in_force(turns: Sequence[Turn], instants: Sequence[datetime], at: datetime) -> Turn | None:
    index = bisect_right(instants, at)
    return turns[index - 1] if index else None


def _steps(outcome: ScalingOutcome, first: int, last: int) -> tuple[tuple[int, str], ...]:
    """Say what happened at each decision that is shown: (step from which on it holds, sentence)."""
    instants = [turn.at for turn in outcome.turns]
    begin, end = outcome.start + first * SYNC, outcome.start + last * SYNC
    shown = []
    for turn in outcome.turns[bisect_left(instants, begin) : bisect_left(instants, end)]:
        step = (turn.at - outcome.start) // SYNC
        demand = outcome.demand[step]
        asks = "demand unknown" if math.isnan(demand) else f"demand {demand:.4g} needs {outcome.needed[step]}"
        ready, there = int(outcome.track.ready[step]), int(outcome.track.replicas[step])
        starting = f", {there - ready} starting" if there > ready else ""
        hpa = REASONS[int(outcome.track.reasons[step])]
        shown.append(
            (
                step - first,
                f"{turn.at:%H:%M:%S}  {asks}; {ready} ready{starting}. Floor {turn.decision.message} "
                f"({turn.decision.reason}). HPA: {there} ({hpa}).",
            )
        )
    return tuple(shown)
