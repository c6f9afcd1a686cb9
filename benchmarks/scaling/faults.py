"""Forecasts that break a day into the scored time, in modes Floor and Direct: what is left unmet, and what it costs.

Example:
    make bench PART=scaling.faults
    make bench PART=scaling.faults ARGS="--traces ms_mongo_01 cc_cluster19"

Floor is the setting of ``setting.py``, held against the HPA that stays when the floor is gone. Direct is the same
policy without an HPA, at the pace that an HPA has in a minute, held against an HPA at 70 %.

A trace that was measured is kept beside the result until all are: what is stopped goes on where it was.
"""

import hashlib
import json
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
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
TOO_MUCH = ("frozen", "tripled", "six hours late", "gone")  # all that may leave more than is needed
ROOT = Path(__file__).parents[2]
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


def healthy_peaks(case: Case) -> FloatArray:
    """Return the forecasts before anything breaks: those of the default model."""
    forecaster = window_forecaster("boosted")
    policy = Contender(name="boosted", policy=WAYS[0].policy, forecaster=forecaster).policy_of(case)
    return peaks_for(case, policy, forecaster)


def measure(case: Case, peaks: FloatArray) -> Measured:
    """Replay one trace in every way with every fault of its forecasts, one a decision, shape ``[m]``."""
    against, found = {}, {}
    for way in WAYS:
        policy = Contender(name="boosted", policy=way.policy, forecaster=window_forecaster("boosted")).policy_of(case)
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
            ratios = [(ours / plain, name) for ours, plain, name in pairs if plain >= LITTLE]
            ratio, worst = max(ratios, default=(0.0, "an HPA leaves nothing anywhere"))
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
                    "unmet_must": None if kind == "healthy" else 1.0,
                    "cost_over_healthy": round(
                        float(np.mean([each.found[mode][kind].cost for each in traces]) / healthy), 3
                    ),
                    "worst_cost_over_healthy": round(
                        max(each.found[mode][kind].cost / each.found[mode]["healthy"].cost for each in traces), 3
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
    titles = (
        "mode",
        "forecast",
        "unmet over the HPA's: worst",
        "mean",
        "most points above",
        "cost over healthy",
        "worst",
    )
    for title in (*titles, "must"):
        table.add_column(title, justify="left" if title in ("mode", "forecast") else "right")
    for row in result["figures"]:
        worst, cost = row["worst_unmet_ratio"], row["cost_over_healthy"]
        missed = [
            what
            for what, found, must in (("unmet", worst, row["unmet_must"]), ("cost", cost, row["cost_must"]))
            if must is not None and found > must
        ]
        table.add_row(
            row["mode"],
            row["forecast"],
            f"{worst:.3f} ({row['worst_trace']})",
            f"{row['mean_unmet_ratio']:.3f}",
            f"{row['most_points_above']:.3f}",
            f"{cost:.3f}",
            f"{row['worst_cost_over_healthy']:.3f}",
            "-" if row["unmet_must"] is None else f"[red]{' and '.join(missed)} missed" if missed else "[green]met",
        )
    console.print(table)


def kept(case: Case, folder: Path) -> Measured:
    """Return what was measured of a trace by these very programs, or measure it and keep that."""
    programs = [*ROOT.glob("aiops/**/*.py"), *ROOT.glob("benchmarks/scaling/*.py")]
    mark = hashlib.sha256(b"".join(path.read_bytes() for path in sorted(programs))).hexdigest()[:16]
    path = folder / f"{case.name}-{mark}.json"
    if not path.exists():
        found = measure(case, healthy_peaks(case))
        folder.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps([_plain(found.against), {m: _plain(each) for m, each in found.found.items()}]))
        return found
    against, modes = json.loads(path.read_text())
    return Measured(
        name=case.name,
        against={Mode(mode): After(**after) for mode, after in against.items()},
        found={Mode(mode): {kind: After(**after) for kind, after in each.items()} for mode, each in modes.items()},
    )


def _plain(found: Mapping[Any, After]) -> dict[str, Any]:
    return {str(key): asdict(after) for key, after in found.items()}


def main() -> None:
    """Measure, print and write."""
    asked, traces = begin(options(__doc__, RESULT))
    partial = asked.output.with_suffix(".partial")
    found = []
    for each in of_each(lambda case: kept(case, partial), traces, processes=1):
        found.append(each)
        CONSOLE.print(f"{len(found)} of {len(traces)}: {each.name}", style="dim")
    result = summarize(found)
    print_table(result, CONSOLE)
    write(result, asked.output)
    shutil.rmtree(partial)


if __name__ == "__main__":
    main()
