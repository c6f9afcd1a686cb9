"""The report of `aiops backtest scaling`: the verdict, misses against cost, what if, and the decisions around them."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from aiops.backtest.axes import number
from aiops.backtest.comparison import PLAIN, Comparison, compare, verdict
from aiops.backtest.explorer import Explored
from aiops.backtest.outcome import cost_at
from aiops.backtest.prices import bills
from aiops.backtest.profile import Profile
from aiops.backtest.report import KeyFigure, Report, Section
from aiops.backtest.scaling_curves import each_workload, every_setting, kinds, overview
from aiops.backtest.scaling_plan import Worlds, bill, by_scaler, days, early_warning, what_if_section
from aiops.backtest.scaling_worst import close_up, worst_workloads
from aiops.backtest.study import Sweep
from aiops.forecasting.fleet.exhaustion import Exhaustion
from aiops.scaling.policy import Prices

PROTOCOL = (
    "Demand is replayed in steps of 15 s. It is what was observed; it does not react to being served badly.",
    "A replica serves a fixed demand. A pod costs from its creation and serves only after the start-up delay; "
    "a scale-down takes starting pods first.",
    "Unmet demand is what lies above the ready capacity, as a share of all demand. It is not queued.",
    "Cost is replica-hours over those of the oracle: the cheapest plan that leaves nothing unmet, found afterwards "
    "with the future known and with the same start-up delay.",
    "The HPA acts every 15 s on the mean demand of the last minute, 15 s late, with a tolerance of 0.1. "
    "The tuned HPA may also choose its scale-down window; one grid of settings serves all workloads.",
    "A forecast is a floor under the default HPA: each minute it asks for replicas for the coming minutes, from "
    "quantiles of its own earlier errors. It sees nothing that was not known at that minute.",
    "Curves are means over workloads, setting by setting. Between two points of a curve the logarithm of unmet demand "
    "is taken as linear in cost. A measured point can lie above such a line: so the tuned HPA, which has all settings "
    "of the default one and more, can read a little worse than it between two of them.",
)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Closer:
    """What a study looks at beyond its sweeps; each part that is empty is left out of the report.

    Attributes:
        profiles: What each workload's demand is like.
        chosen: Which of its settings each scaler is left at in the ledger, the worst workloads and what if.
        explored: The worst workloads of our best scaler at that setting.
        worlds: How each scaler fares there, by world.
        prices: What replicas and unmet requests are worth.
        exhaustions: When each workload needs more than ``maxReplicas``.
    """

    profiles: Mapping[str, Profile] = field(default_factory=dict)
    chosen: Mapping[str, int] = field(default_factory=dict)
    explored: Sequence[Explored] = ()
    worlds: Worlds = field(default_factory=dict)
    prices: Prices | None = None
    exhaustions: Mapping[str, Exhaustion] = field(default_factory=dict)


def scaling_report(
    sweeps: Mapping[str, Sequence[Sweep]],
    *,
    command: str,
    made_at: datetime,
    closer: Closer | None = None,
    cost: float = 1.5,
    skipped: Sequence[tuple[str, str]] = (),
    notes: Sequence[str] = PROTOCOL,
) -> Report:
    """Put scalers side by side.

    Args:
        sweeps: By workload: one sweep a scaler, the same scalers in the same order everywhere, as ``sweep_case`` makes.
        command: What makes this report again.
        made_at: Now, UTC.
        closer: What there is beyond the sweeps.
        cost: Replica-hours over those of the oracle at which the verdict compares.
        skipped: (workload, reason) of what was left out.
        notes: Protocol and assumptions.

    Raises:
        DataError: If there is no workload, or the scalers differ between workloads.
    """
    compared, closer = compare(sweeps, cost), closer or Closer()
    count = len(compared.workloads)
    said = verdict(compared)
    if closer.prices is not None:
        said = f"{bill_verdict(sweeps, closer.prices)}\n\n{said}"
    return Report(
        kind="scaling",
        title=f"Scaling backtest: {count} workload{'s' if count > 1 else ''}, {len(compared.means)} scalers",
        verdict=said,
        command=command,
        made_at=made_at,
        figures=(*_bills(sweeps, closer), *_figures(compared)),
        sections=tuple(_sections(sweeps, compared, closer)),
        notes=tuple(notes),
        skipped=tuple(skipped),
    )


def bill_verdict(sweeps: Mapping[str, Sequence[Sweep]], prices: Prices) -> str:
    """Say whose bill is lowest, each scaler at the setting that is cheapest for it."""
    lowest = {name: float(bills(same, prices).min()) for name, same in by_scaler(sweeps).items()}
    plain = min((name for name in lowest if name in PLAIN), key=lowest.__getitem__)
    ours = min((name for name in lowest if name not in PLAIN), key=lowest.__getitem__, default=plain)
    best, other = (ours, plain) if lowest[ours] < lowest[plain] else (plain, ours)
    if best == other:
        return f"At these prices, the bill of the {plain} is {number(lowest[plain])}."
    saved = 100 * (1 - lowest[best] / lowest[other]) if lowest[other] else 0.0
    keep, with_floor = f"Keep the {plain}", f"With {ours} as a floor"
    said = with_floor if best == ours else f"{keep}: at these prices"
    against = f"the {plain}" if best == ours else f"{ours} as a floor"
    return (
        f"{said}, the bill would have been {number(lowest[best])}, against {number(lowest[other])} with {against}: "
        f"{number(saved, digits=2)} % less, each at the setting that is cheapest for it."
    )


def _bills(sweeps: Mapping[str, Sequence[Sweep]], closer: Closer) -> tuple[KeyFigure, ...]:
    if closer.prices is None:
        return ()
    lowest = {name: float(bills(same, closer.prices).min()) for name, same in by_scaler(sweeps).items()}
    best = min(lowest, key=lowest.__getitem__)
    others = ", ".join(f"{name} {number(lowest[name])}" for name in lowest if name != best)
    return (KeyFigure(name=f"Bill with {best}", value=lowest[best], note=f"in your currency; {others}"),)


def _sections(sweeps: Mapping[str, Sequence[Sweep]], compared: Comparison, closer: Closer) -> list[Section]:
    profiles, chosen, prices = closer.profiles, closer.chosen, closer.prices
    found = [overview(compared, () if prices is None else (bill(sweeps, profiles, prices),))]
    if profiles and len(profiles) > 1:
        found.append(kinds(sweeps, profiles, compared.cost))
    settings = {name: compared.means[name].settings[index] for name, index in chosen.items()}
    if closer.worlds:
        found.append(what_if_section(compared, closer.worlds, settings, prices))
    if closer.exhaustions:
        found.append(early_warning(closer.exhaustions, profiles))
    found.append(each_workload(compared, profiles))
    if closer.explored:
        scaler = closer.explored[0].outcome.scaler
        found.append(worst_workloads(closer.explored, scaler, settings[scaler]))
        found += [close_up(each) for each in closer.explored]
    if profiles and chosen:
        found.append(days(compared, sweeps, profiles, chosen))
    found.append(every_setting(compared))
    return found


def _figures(compared: Comparison) -> tuple[KeyFigure, ...]:
    best = compared.ours or compared.plain
    if best is None:
        return ()
    others = [f"{name} {compared.percent(name)}" for name in PLAIN if name in compared.means and name != best]
    figures = [
        KeyFigure(
            name=f"Unmet with {best}",
            value=100 * compared.unmet[best],
            unit="%",
            note=f"{', '.join(others)}, at {number(compared.cost)} × the oracle's cost",
        )
    ]
    for other in PLAIN:
        if best != other and other in compared.means and len(compared.workloads) > 1:
            wins, known = compared.wins(best, other)
            figures.append(
                KeyFigure(name="Workloads better off", value=wins, unit=f"of {known}", note=f"than with the {other}")
            )
    plain = compared.plain
    if plain is not None and plain != best:
        curve = compared.curves[best]
        same = cost_at(curve, compared.unmet[plain])
        if math.isfinite(same):
            figures.append(
                KeyFigure(
                    name=f"Replica-hours {'under' if same <= compared.cost else 'over'} the {plain}",
                    value=100 * abs(1 - same / compared.cost),
                    unit="%",
                    note="at least; its cheapest setting leaves less"
                    if same == curve[0].cost
                    else "at equal unmet demand",
                )
            )
    return tuple(figures)
