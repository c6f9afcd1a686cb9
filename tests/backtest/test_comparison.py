import numpy as np
import pytest

from aiops.backtest.comparison import compare, verdict
from aiops.backtest.outcome import unmet_at
from aiops.backtest.study import DEFAULT_HPA, TUNED_HPA, Sweep
from aiops.errors import DataError


def sweep(scaler: str, unmet_percent: float, *, cheapest: float = 1.0) -> Sweep:
    """A scaler that leaves ``unmet_percent`` at every cost from ``cheapest`` on (a hair less where it is dearer)."""
    cost = np.array([cheapest, 3.0])
    unmet = np.array([unmet_percent, unmet_percent * 0.999999]) / 100
    return Sweep(scaler=scaler, settings=("cheap", "dear"), unmet=unmet, cost=cost)


def workload(default: float, tuned: float, *ours: Sweep) -> list[Sweep]:
    return [sweep(DEFAULT_HPA, default), sweep(TUNED_HPA, tuned), *ours]


def test_a_forecast_that_leaves_less_is_praised_with_its_numbers_and_its_defeats():
    compared = compare(
        {
            "a": workload(1.0, 0.5, sweep("holt-winters", 0.2), sweep("last-week", 0.4)),
            "b": workload(1.0, 0.5, sweep("holt-winters", 0.2), sweep("last-week", 0.4)),
            "c": workload(0.1, 0.05, sweep("holt-winters", 0.08), sweep("last-week", 0.4)),
        },
        1.5,
    )
    assert (compared.ours, compared.plain) == ("holt-winters", TUNED_HPA)
    assert compared.wins("holt-winters", DEFAULT_HPA) == (3, 3)
    assert verdict(compared) == (
        "With holt-winters as a floor, 0.16 % of demand would have gone unmet at 1.5 times the oracle's replica-hours, "
        "in the mean over 3 workloads, against 0.7 % with the default HPA and 0.35 % with the tuned HPA; "
        "it leaves less than the tuned HPA on 2 of 3."
    )


@pytest.mark.parametrize(
    ("ours", "judged"), [(0.30, "does worse than"), (0.206, "is about as good as"), (0.194, "is about as good as")]
)
def test_the_plain_hpa_wins_where_it_wins_or_where_nothing_is_gained(ours, judged):
    said = verdict(compare({"checkout": workload(0.6, 0.2, sweep("holt-winters", ours))}, 1.5))
    assert said.startswith(f"Keep the tuned HPA: holt-winters, the best of the forecasts, {judged} it, ")
    assert "on checkout, against 0.6 % with the default HPA and 0.2 % with the tuned HPA" in said


def test_a_forecast_only_counts_where_it_is_as_cheap():
    compared = compare(
        {
            "a": workload(1.0, 0.5, sweep("holt-winters", 0.01, cheapest=2.5)),
            "b": workload(1.0, 0.5, sweep("holt-winters", 0.01)),
        },
        1.5,
    )
    assert compared.ours is None
    assert compared.wins("holt-winters", TUNED_HPA) == (1, 1)
    assert verdict(compared).endswith("in the mean over 2 workloads; no forecast was as cheap as that.")
    dearer = compare({"a": workload(1.0, 0.5, sweep("holt-winters", 0.01, cheapest=2.5))}, 2.8)
    assert verdict(dearer).startswith(
        "With holt-winters as a floor, 0.01 % of demand would have gone unmet at 2.8 times"
    )


def test_a_perfect_score_for_all_is_no_reason_for_a_forecast():
    assert verdict(compare({"a": workload(0.0, 0.0, sweep("holt-winters", 0.0))}, 1.5)).startswith("Keep the ")


def test_without_a_rival_or_without_anything_so_cheap_the_verdict_says_so():
    only_plain = compare({"a": workload(1.0, 0.5)}, 1.5)
    assert "The plain HPA leaves 1 % with the default HPA and 0.5 % with the tuned HPA" in verdict(only_plain)
    only_ours = compare({"a": [sweep("holt-winters", 0.2)]}, 1.5)
    assert verdict(only_ours).startswith("With holt-winters as a floor, 0.2 % of demand would have gone unmet")
    nothing = compare({"a": [sweep(DEFAULT_HPA, 1.0, cheapest=2.0)]}, 1.5)
    assert verdict(nothing).startswith("No scaler can be as cheap as 1.5 times")


def test_the_numbers_are_those_of_the_curve_of_the_means():
    sweeps = {
        "a": [Sweep(scaler="s", settings=("x", "y"), unmet=np.array([0.04, 0.01]), cost=np.array([1.0, 2.0]))],
        "b": [Sweep(scaler="s", settings=("x", "y"), unmet=np.array([0.02, 0.01]), cost=np.array([1.2, 2.0]))],
    }
    compared = compare(sweeps, 1.5)
    assert compared.unmet["s"] == pytest.approx(0.03 * (1 / 3) ** ((1.5 - 1.1) / 0.9))
    assert compared.apiece["s"] == [unmet_at(each[0].curve(), 1.5) for each in sweeps.values()]


def test_workloads_must_have_been_through_the_same_scalers():
    with pytest.raises(DataError, match="at least one workload"):
        compare({}, 1.5)
    with pytest.raises(DataError, match="every workload needs the same scalers"):
        compare({"a": workload(1.0, 0.5), "b": [sweep(DEFAULT_HPA, 1.0)]}, 1.5)


def steps(scaler: str, *points: tuple[float, float]) -> Sweep:
    """A scaler by its (cost, unmet percent) points."""
    cost, unmet = (np.array(column) for column in zip(*points, strict=True))
    return Sweep(scaler=scaler, settings=tuple(map(str, points)), unmet=unmet / 100, cost=cost)


def test_where_nothing_goes_unmet_the_verdict_is_about_cost():
    default = steps(DEFAULT_HPA, (1.0, 1.0), (1.4, 0.01), (1.5, 0.001))
    tuned = steps(TUNED_HPA, (1.0, 1.0), (1.3, 0.01), (1.5, 0.001))
    cheap = steps("holt-winters", (1.0, 1.0), (1.1, 0.01), (1.5, 0.002))
    assert verdict(compare({"shop": [default, tuned, cheap]}, 1.5)) == (
        "With holt-winters as a floor, 1.1 times the oracle's replica-hours would have been enough to leave no more "
        "than 0.01 % of demand unmet, on shop, against 1.3 times with the tuned HPA: 15 % fewer. "
        "At 1.5 times all but nothing goes unmet with either."
    )
    same = steps("holt-winters", (1.0, 1.0), (1.31, 0.01), (1.5, 0.002))
    assert verdict(compare({"shop": [default, tuned, same]}, 1.5)).startswith(
        "Keep the tuned HPA: to leave no more than 0.01 % of demand unmet, on shop, it needs 1.3 times"
    )
