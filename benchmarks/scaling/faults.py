"""Forecasts that break a day into the scored time, in modes Floor and Direct: what is left unmet, and what it costs.

Example:
    make bench PART=scaling.faults
    make bench PART=scaling.faults ARGS="--traces ms_mongo_01 cc_cluster19"

Floor is the setting of ``setting.py``, held against the HPA that stays when the floor is gone. Direct is the same
policy without an HPA, at the pace that an HPA has in a minute, held against an HPA at 70 %.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from rich.console import Console
from rich.table import Table

from aiops.backtest.hpa import SYNC, Hpa
from aiops.backtest.outcome import ScalingOutcome
from aiops.backtest.replay import Case, peaks_for, replay_hpa, replay_peaks
from aiops.backtest.study import Contender
from aiops.forecasting.catalog import window_forecaster
from aiops.scaling.policy import Mode, ScalingPolicy
from aiops.series import FloatArray
from benchmarks.scaling.command import CONSOLE, begin, of_each, options, write

RESULT = Path(__file__).parent / "results" / "faults.json"
BREAKS_AFTER = timedelta(days=1)
HOUR = timedelta(hours=1)
TOO_MUCH = ("frozen", "tripled", "six hours late")  # a forecast that is gone is held, which is no over-forecast
LITTLE = 1e-4
"""Share left unmet below which a trace has no ratio: an HPA that leaves nothing is not beaten by a factor."""
SPEC: dict[str, Any] = {"bounds": {"maxReplicas": 1_000_000}, "load": {"capacityPerReplica": 1}}
# An HPA may double every 15 s, which is 15 times more within the minute from one decision to the next. It also sees
# demand four times as often: what reacts once a minute needs a bit more room.
DIRECT = {"behavior": {"scaleUp": {"maxStepRatio": 15}}, "trust": {"reactiveUtilization": 0.65}}


class Way(NamedTuple):
    """One mode, what it falls back to, and what it is held against."""

    mode: Mode
    policy: ScalingPolicy
    hpa: Hpa | None
    against: Hpa


WAYS = (
    Way(
        Mode.FLOOR,
        ScalingPolicy.model_validate(SPEC),
        Hpa(target=1.0, max_replicas=1_000_000),
        Hpa(target=1.0, max_replicas=1_000_000),
    ),
    Way(Mode.DIRECT, ScalingPolicy.model_validate(SPEC | DIRECT), None, Hpa(target=0.7, max_replicas=1_000_000)),
)


def broken(case: Case, peaks: FloatArray) -> dict[str, FloatArray]:
    """Return the forecasts as they are after one of five things broke, a day into the scored time."""
    at = int((case.start - case.history.start) // case.history.step - 1 - case.cutoffs[0])
    at += BREAKS_AFTER // case.history.step
    late = timedelta(hours=6) // case.history.step
    delayed = np.concatenate([np.full_like(peaks[:late], np.nan), peaks[:-late]])
    kinds = {
        "healthy": peaks,
        "frozen": np.broadcast_to(peaks[at - 1], peaks.shape),
        "halved": 0.5 * peaks,
        "tripled": 3.0 * peaks,
        "six hours late": delayed,
        "gone": np.full_like(peaks, np.nan),
    }
    return {kind: np.concatenate([peaks[:at], wrong[at:]]) for kind, wrong in kinds.items()}


@dataclass(frozen=True, slots=True, kw_only=True)
class After:
    """What a replay came to once its forecasts were broken.

    Attributes:
        unmet: Share of demand left unmet from then on.
        cost: Replica-hours over those of the oracle, from one hour later on.
    """

    unmet: float
    cost: float

    @classmethod
    def of(cls, outcome: ScalingOutcome) -> "After":
        """Return what an outcome came to; steps whose demand is unknown do not count."""
        known = ~np.isnan(outcome.demand)
        steps = np.arange(len(known))
        since = known & (steps >= BREAKS_AFTER // SYNC)
        later = known & (steps >= (BREAKS_AFTER + HOUR) // SYNC)
        missing = outcome.demand - outcome.track.ready * outcome.capacity_per_replica
        return cls(
            unmet=float(np.maximum(missing[since], 0).sum() / outcome.demand[since].sum()),
            cost=float(outcome.track.replicas[later].sum() / outcome.oracle[later].sum()),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Measured:
    """One trace: by mode, what it was held against, and by kind of fault what it came to."""

    name: str
    against: dict[Mode, After]
    found: dict[Mode, dict[str, After]]


def measure(case: Case) -> Measured:
    """Replay one trace in every way with every fault."""
    forecaster = window_forecaster("boosted")
    against, found, peaks = {}, {}, None
    for way in WAYS:
        policy = Contender(name="boosted", policy=way.policy, forecaster=forecaster).policy_of(case)
        peaks = peaks_for(case, policy, forecaster) if peaks is None else peaks
        against[way.mode] = After.of(replay_hpa(case, way.against))
        found[way.mode] = {
            kind: After.of(replay_peaks(case, policy, wrong, way.hpa, mode=way.mode))
            for kind, wrong in broken(case, peaks).items()
        }
    return Measured(name=case.name, against=against, found=found)


def summarize(traces: Sequence[Measured]) -> dict[str, Any]:
    """Return every figure beside what it must be."""
    figures = []
    for way in WAYS:
        mode = way.mode
        healthy = np.mean([each.found[mode]["healthy"].cost for each in traces])
        for kind in traces[0].found[mode]:
            pairs = [(each.found[mode][kind].unmet, each.against[mode].unmet, each.name) for each in traces]
            ratio, worst = max((ours / plain, name) for ours, plain, name in pairs if plain >= LITTLE)
            figures.append(
                {
                    "mode": str(mode),
                    "forecast": kind,
                    "worst_unmet_ratio": round(ratio, 3),
                    "worst_trace": worst,
                    "mean_unmet_ratio": round(
                        float(np.mean([p[0] for p in pairs]) / np.mean([p[1] for p in pairs])), 3
                    ),
                    "most_points_above": round(100 * max(max(ours - plain, 0.0) for ours, plain, _ in pairs), 4),
                    "cost_over_healthy": round(
                        float(np.mean([each.found[mode][kind].cost for each in traces]) / healthy), 3
                    ),
                    "cost_must": 1.3 if kind in TOO_MUCH else None,
                }
            )
    return {
        "schema": "aiops.benchmark.scaling-faults/1",
        "ways": [
            {"mode": str(way.mode), "policy": way.policy.to_spec(), "against_target": way.against.target}
            for way in WAYS
        ],
        "figures": figures,
        "per_trace": {
            each.name: {
                str(mode): {
                    kind: [round(100 * after.unmet, 4), round(after.cost, 4)]
                    for kind, after in {"HPA": each.against[mode], **kinds}.items()
                }
                for mode, kinds in each.found.items()
            }
            for each in traces
        },
    }


def print_table(result: dict[str, Any], console: Console) -> None:
    """Print the figures."""
    table = Table(title=f"Broken forecasts, {len(result['per_trace'])} development traces")
    for title in ("mode", "forecast", "unmet over the HPA's: worst", "mean", "most points above", "cost over healthy"):
        table.add_column(title, justify="left" if title in ("mode", "forecast") else "right")
    for row in result["figures"]:
        worst, cost = row["worst_unmet_ratio"], row["cost_over_healthy"]
        table.add_row(
            row["mode"],
            row["forecast"],
            f"[{'green' if worst <= 1 else 'red'}]{worst:.3f}[/] ({row['worst_trace']})",
            f"{row['mean_unmet_ratio']:.3f}",
            f"{row['most_points_above']:.3f}",
            f"[{'green' if row['cost_must'] is None or cost <= row['cost_must'] else 'red'}]{cost:.3f}",
        )
    console.print(table)


def main() -> None:
    """Measure, print and write."""
    asked, traces = begin(options(__doc__, RESULT))
    result = summarize(list(of_each(measure, traces, processes=1)))
    print_table(result, CONSOLE)
    write(result, asked.output)


if __name__ == "__main__":
    main()
