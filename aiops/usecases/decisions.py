"""What a policy would have decided on one's own history, decision by decision, for others to judge."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import NamedTuple

from aiops.backtest.outcome import Turn
from aiops.backtest.replay import Case, decide_floors, peaks_for
from aiops.backtest.study import Contender
from aiops.errors import AiopsError
from aiops.ports import Mapper
from aiops.series import epoch_seconds
from aiops.usecases.backtest import Skipped


class Decided(NamedTuple):
    """The decisions of one workload in its scored time.

    Attributes:
        name: The workload.
        rows: (seconds since 1970, replicas, reason): the floor that is asked for from that instant on, from values
            whose step has ended by then.
    """

    name: str
    rows: tuple[tuple[int | float, int, str], ...]


def decide_all(
    cases: Sequence[Case], contender: Contender, mapper: Mapper, progress: Callable[[int, int], None]
) -> Iterator[Decided | Skipped]:
    """Yield the decisions of each workload as soon as they are made, or (name, reason) where they cannot be.

    Args:
        cases: The workloads.
        contender: The policy and the model whose forecasts it reads.
        mapper: Who does the work.
        progress: Told after each workload.
    """
    for done, (index, result) in enumerate(mapper.map(partial(_decide, contender), cases), start=1):
        if isinstance(result, AiopsError):
            yield cases[index].name, str(result)
        elif isinstance(result, Exception):
            raise result
        else:
            yield result
        progress(done, len(cases))


def _decide(contender: Contender, case: Case) -> Decided:
    policy = contender.policy_of(case)
    turns = decide_floors(case, policy, peaks_for(case, policy, contender.forecaster), policy.bounds.min_replicas)
    return Decided(case.name, tuple(_row(turn) for turn in turns if turn.at >= case.start))


def _row(turn: Turn) -> tuple[int | float, int, str]:
    seconds = epoch_seconds(turn.at)
    return int(seconds) if seconds == int(seconds) else seconds, turn.decision.desired, str(turn.decision.reason)
