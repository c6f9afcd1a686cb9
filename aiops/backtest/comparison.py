"""Scalers at equal cost: what each leaves unmet there, on how many workloads it is better, and the verdict in words."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from aiops.backtest.axes import number
from aiops.backtest.outcome import Point, cost_at, unmet_at
from aiops.backtest.study import DEFAULT_HPA, TUNED_HPA, Sweep, mean
from aiops.errors import DataError

PLAIN = (DEFAULT_HPA, TUNED_HPA)
"""Scalers without a forecast."""

MARGIN = 0.05
"""Two scalers whose unmet demand differs by less than this share count as equally good."""


NEGLIGIBLE = 1e-4
"""Where the best of both kinds leave less than this share unmet, they are compared by what it costs to get there."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Comparison:
    """All scalers at one cost.

    Attributes:
        cost: Replica-hours over those of the oracle.
        means: One sweep a scaler, in the mean over workloads.
        curves: Their Pareto curves.
        unmet: What each leaves in the mean at ``cost``; NaN where no setting is that cheap.
        apiece: The same on each workload alone, by scaler, shape ``[n_workloads]``.
    """

    cost: float
    workloads: tuple[str, ...]
    means: Mapping[str, Sweep]
    curves: Mapping[str, list[Point]]
    unmet: Mapping[str, float]
    apiece: Mapping[str, list[float]]

    @property
    def ours(self) -> str | None:
        """The forecast that leaves least; None if none is as cheap as that."""
        return self._least([name for name in self.means if name not in PLAIN])

    @property
    def plain(self) -> str | None:
        """The HPA without a forecast that leaves least."""
        return self._least([name for name in self.means if name in PLAIN])

    @property
    def where(self) -> str:
        """Return what the numbers are about, as the end of a sentence."""
        count = len(self.workloads)
        return f"in the mean over {count} workloads" if count > 1 else f"on {self.workloads[0]}"

    def percent(self, scaler: str) -> str:
        """Return what a scaler leaves unmet, as text."""
        unmet = self.unmet[scaler]
        return "an unknown share" if math.isnan(unmet) else f"{number(100 * unmet, digits=2)} %"

    def wins(self, scaler: str, other: str) -> tuple[int, int]:
        """Return on how many workloads a scaler leaves less than another, and how many can be compared."""
        pairs = list(zip(self.apiece[scaler], self.apiece[other], strict=True))
        known = [(a, b) for a, b in pairs if not (math.isnan(a) or math.isnan(b))]
        return sum(a < b for a, b in known), len(known)

    def _least(self, scalers: Sequence[str]) -> str | None:
        known = [name for name in scalers if not math.isnan(self.unmet[name])]
        return min(known, key=lambda name: self.unmet[name]) if known else None


def compare(sweeps: Mapping[str, Sequence[Sweep]], cost: float) -> Comparison:
    """Compare scalers at one cost, on each workload and in the mean.

    Args:
        sweeps: By workload: one sweep a scaler, the same scalers in the same order everywhere, as ``sweep_case`` makes.
        cost: Replica-hours over those of the oracle.

    Raises:
        DataError: If there is no workload, or the scalers differ between workloads.
    """
    if not sweeps:
        raise DataError("a scaling report needs at least one workload that could be replayed")
    names = {tuple(sweep.scaler for sweep in each) for each in sweeps.values()}
    if len(names) != 1:
        raise DataError(f"every workload needs the same scalers, got {' and '.join(map(str, sorted(names)))}")
    (scalers,) = names
    by_scaler = {name: [each[index] for each in sweeps.values()] for index, name in enumerate(scalers)}
    means = {name: mean(each) for name, each in by_scaler.items()}
    curves = {name: each.curve() for name, each in means.items()}
    return Comparison(
        cost=cost,
        workloads=tuple(sweeps),
        means=means,
        curves=curves,
        unmet={name: unmet_at(curve, cost) for name, curve in curves.items()},
        apiece={name: [unmet_at(each.curve(), cost) for each in row] for name, row in by_scaler.items()},
    )


def verdict(compared: Comparison) -> str:
    """Say in one sentence which scaler to take; it says so, too, when that is the HPA without a forecast."""
    at = f"at {number(compared.cost)} times the oracle's replica-hours"
    ours, plain = compared.ours, compared.plain
    if plain is None and ours is None:
        return (
            f"No scaler can be as cheap as {number(compared.cost)} times the oracle's replica-hours: compare at more."
        )
    if plain is None:
        return f"With {ours} as a floor, {compared.percent(str(ours))} of demand would have gone unmet {at}."
    hpas = " and ".join(
        f"{compared.percent(name)} with the {name}" for name in (DEFAULT_HPA, TUNED_HPA) if name in compared.means
    )
    if ours is None:
        return f"The plain HPA leaves {hpas} of demand unmet {at}, {compared.where}; no forecast was as cheap as that."
    left, least = compared.unmet[ours], compared.unmet[plain]
    if left < NEGLIGIBLE and least < NEGLIGIBLE:
        return f"{_by_cost(compared)} At {number(compared.cost)} times all but nothing goes unmet with either."
    if left < least * (1 - MARGIN):
        wins, known = compared.wins(ours, plain)
        also = f"; it leaves less than the {plain} on {wins} of {known}" if len(compared.workloads) > 1 else ""
        return (
            f"With {ours} as a floor, {compared.percent(ours)} of demand would have gone unmet {at}, "
            f"{compared.where}, against {hpas}{also}."
        )
    verb = "is about as good as" if left <= least * (1 + MARGIN) else "does worse than"
    return (
        f"Keep the {plain}: {ours}, the best of the forecasts, {verb} it, with {compared.percent(ours)} of demand "
        f"unmet {at}, {compared.where}, against {hpas}."
    )


def _by_cost(compared: Comparison) -> str:
    """Say what leaving no more than a negligible share unmet costs with a forecast, and without."""
    found = {name: cost_at(curve, NEGLIGIBLE) for name, curve in compared.curves.items()}
    costs = {name: cost for name, cost in found.items() if not math.isnan(cost)}
    plain = min((name for name in costs if name in PLAIN), key=costs.__getitem__)
    ours = min((name for name in costs if name not in PLAIN), key=costs.__getitem__)
    saved = 1 - costs[ours] / costs[plain]
    goal = f"leave no more than {number(100 * NEGLIGIBLE)} % of demand unmet, {compared.where}"
    if saved < MARGIN:
        judged = "about as many" if saved > -MARGIN else "more"
        return (
            f"Keep the {plain}: to {goal}, it needs {number(costs[plain])} times the oracle's replica-hours, and "
            f"{ours}, the best of the forecasts, {judged}: {number(costs[ours])} times."
        )
    return (
        f"With {ours} as a floor, {number(costs[ours])} times the oracle's replica-hours would have been enough to "
        f"{goal}, against {number(costs[plain])} times with the {plain}: {100 * saved:.0f} % fewer."
    )
