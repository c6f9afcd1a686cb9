"""Choose the constants of ``fleet`` by five folds over series, and score each choice on the series it was not made on.

python -m benchmarks.forecasting.folds
python -m benchmarks.forecasting.folds --only SHARPNESS,UNSEEN

One constant at a time, the others as they are in use. All series of one machine, and of one kind of generator, are in
the same fold. On four folds the candidate with the least loss is chosen (or that whose coverage is nearest to 80 %);
the fifth is scored with it.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np

from aiops.adapters.folder import FolderSource
from aiops.backtest.forecasts import SMALLEST
from aiops.series import FloatArray, IntArray
from benchmarks.forecasting import peaks, windows
from benchmarks.forecasting.losses import losses, naive_quantiles
from benchmarks.forecasting.protocol import forecast
from benchmarks.forecasting.windows import DAY, WEEK, Window

RESULTS = Path(__file__).with_name("folds.json")
FOLDS = 5
PROMISE = 0.8
MASE, CRPS, PINBALL, COVERAGE = range(4)
FIGURES = ("MASE", "CRPS", "pinball .95", "80 % coverage")


@dataclass(frozen=True, slots=True, kw_only=True)
class Constant:
    """What is chosen: where it stands, from what, and by which of ``FIGURES`` on which windows."""

    name: str
    module: str
    candidates: tuple[float, ...]
    by: int = CRPS
    of: str = "day"


CONSTANTS = (
    Constant(name="SHARPNESS", module="rolling", candidates=(8.0, 16.0, 32.0)),
    Constant(name="DAY_FADES", module="rolling", candidates=(0.8, 0.9, 1.0)),
    Constant(name="RECENT_WEIGHT", module="rolling", candidates=(1.0, 2.0, 4.0)),
    Constant(name="CONTENDERS", module="rolling", candidates=(6, 12, 24)),
    Constant(name="MIDDLE", module="rolling", candidates=(0.05, 0.25, 0.35), by=MASE),
    Constant(name="AGREED", module="rolling", candidates=(0.2, 0.3, 0.5)),
    Constant(name="TRUST_IN_UNREST", module="rolling", candidates=(0.0, 0.3, 0.6)),
    Constant(name="NEAR", module="spread", candidates=(48, 96, 144)),
    Constant(name="FAR_SHARE", module="spread", candidates=(1.0, 2.0, 4.0)),
    Constant(name="UNSEEN", module="spread", candidates=(0.0, 0.25, 1.0)),
    Constant(name="NARROWER", module="spread", candidates=(0.85, 0.89, 0.93, 1.0), by=COVERAGE),
    Constant(name="GROWTH", module="spread", candidates=(0.2, 0.3, 0.4), by=COVERAGE, of="week"),
    Constant(name="DRIFT_AHEAD", module="maximum", candidates=(0.5, 0.55, 0.6), by=COVERAGE, of="peaks"),
)


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.forecasting.folds", description=__doc__)
    parser.add_argument("--only", default="", help="names of constants; all if left out")
    parser.add_argument("--output", type=Path, default=RESULTS, help="result file")
    options = parser.parse_args()
    folder = os.environ.get("AIOPS_DATA_DIR")
    if not folder:
        print("AIOPS_DATA_DIR is not set: nothing was measured", file=sys.stderr)
        return 0
    source = FolderSource(Path(folder) / "forecast")
    wanted = [each for each in CONSTANTS if not options.only or each.name in options.only.split(",")]
    known = json.loads(options.output.read_text()) if options.only and options.output.is_file() else {}
    shipped: dict[str, dict[str, FloatArray]] = {}
    for each in wanted:
        if each.of not in shipped:
            shipped[each.of] = SCORERS[each.of](source)
        known[each.name] = chosen(each, source, shipped[each.of])
        print(line(each, known[each.name]), flush=True)
        options.output.write_text(json.dumps(known, indent=2) + "\n")
    return 0


def chosen(constant: Constant, source: FolderSource, shipped: dict[str, FloatArray]) -> dict[str, Any]:
    """Return what the folds choose, and the figures with the choices beside those with the constant in use."""
    in_use = getattr(_module(constant.module), constant.name)
    scored: list[dict[str, FloatArray]] = []
    for candidate in constant.candidates:
        if candidate == in_use:
            scored.append(shipped)
            continue
        with changed(constant, candidate):
            scored.append(SCORERS[constant.of](source))
    names = list(shipped)
    table = np.array([[each[name] for name in names] for each in scored])  # [candidates, series, figures]
    folds = fold_of(names)
    picks = [_best(table[:, folds != fold], constant.by) for fold in range(FOLDS)]
    crossed = np.array([table[picks[fold], row] for row, fold in enumerate(folds)])
    return {
        "windows": constant.of,
        "series": len(names),
        "chosen_by": FIGURES[constant.by],
        "candidates": list(constant.candidates),
        "in_use": in_use,
        "chosen": [constant.candidates[pick] for pick in picks],
        "cross_fitted": _figures(crossed),
        "with_the_constant_in_use": _figures(table[constant.candidates.index(in_use)]),
        "each_candidate": [_figures(each) for each in table],
    }


def fold_of(names: list[str]) -> IntArray:
    """Return the fold of each series: a machine's, or a generator's, share one."""
    kinds = [
        name.split("_")[0] if "/" not in name else name[: (name + "_").index("_", name.index("/"))] for name in names
    ]
    numbers = {kind: place % FOLDS for place, kind in enumerate(sorted(set(kinds)))}
    return np.array([numbers[kind] for kind in kinds])


def line(constant: Constant, found: dict[str, Any]) -> str:
    choices = ", ".join(f"{each:g}" for each in found["chosen"])
    figures = "; ".join(
        f"{name} {found['cross_fitted'][name]:.3f}, in use {found['with_the_constant_in_use'][name]:.3f}"
        for name in found["cross_fitted"]
    )
    return f"{constant.name:<16}in use {found['in_use']:<6g} by {found['chosen_by']}: {choices}\n{'':<16}{figures}"


@contextmanager
def changed(constant: Constant, value: float) -> Iterator[None]:
    """Have ``fleet`` computed with another value within; nothing of it is kept on disk."""
    modules = [_module(name) for name in ("rolling", "spread", "maximum")]
    before = [(module, dict(vars(module))) for module in modules]
    for module in modules:
        if hasattr(module, constant.name):
            setattr(module, constant.name, type(getattr(module, constant.name))(value))
    try:
        if constant.module != "maximum":
            _compile_anew(modules[:2])
        yield
    finally:
        for module, names in before:
            vars(module).update(names)


def _compile_anew(modules: list[ModuleType]) -> None:
    from numba import njit

    for module in modules:
        for name, each in list(vars(module).items()):
            function = getattr(each, "py_func", None)
            if function is not None and function.__module__ == module.__name__:
                setattr(module, name, njit(nogil=True)(function))


def _module(name: str) -> ModuleType:
    from aiops.forecasting.fleet import maximum, rolling, spread

    return {"rolling": rolling, "spread": spread, "maximum": maximum}[name]


def _best(table: FloatArray, by: int) -> int:
    means = np.nanmean(table[:, :, by], axis=1)
    return int(np.argmin(np.abs(means - PROMISE) if by == COVERAGE else means))


def _figures(table: FloatArray) -> dict[str, float]:
    means = np.nanmean(table, axis=0)
    found = {name: float(np.exp(means[place])) for place, name in enumerate(FIGURES[:COVERAGE])}
    return {name: each for name, each in found.items() if np.isfinite(each)} | {
        FIGURES[COVERAGE]: float(means[COVERAGE])
    }


def _day(source: FolderSource) -> dict[str, FloatArray]:
    return _against_naive(windows.day_ahead(source), DAY)


def _week(source: FolderSource) -> dict[str, FloatArray]:
    return _against_naive(windows.week_ahead(source), WEEK)


def _against_naive(asked: list[Window], period: Any) -> dict[str, FloatArray]:
    """Return, by series, the logarithms of its losses relative to seasonal naive, and its coverage."""
    own = losses(asked, forecast("fleet", asked)[0], period)
    naive = losses(asked, [naive_quantiles(each, period) for each in asked], period)
    usable = np.isfinite(own.scaled).all(axis=0) & np.isfinite(naive.scaled).all(axis=0)
    ids = np.array([each.series_id for each in asked])
    found = {}
    for name in dict.fromkeys(ids[usable].tolist()):
        rows = usable & (ids == name)
        ratio = (own.scaled[:, rows].mean(axis=1) + SMALLEST) / (naive.scaled[:, rows].mean(axis=1) + SMALLEST)
        found[name] = np.array([*np.log(ratio), own.inside[rows].mean()])
    return found


def _peaks(source: FolderSource) -> dict[str, FloatArray]:
    """Return, by series, how often daily peaks lie within their 80 % interval, a week and four weeks ahead alike."""
    found: dict[str, list[float]] = {}
    for days in peaks.AHEAD:
        asked = peaks.asked_for(source, days)
        inside = peaks.rates(asked, peaks.forecast(asked, days)[0], days)["80 % coverage"]
        for window, rate in zip(asked, inside.tolist(), strict=True):
            found.setdefault(f"{window.series_id} {days}", []).append(rate)
    return {
        name: np.array([np.nan] * COVERAGE + [np.nanmean(rates)])
        for name, rates in found.items()
        if np.isfinite(rates).any()
    }


SCORERS: dict[str, Callable[[FolderSource], dict[str, FloatArray]]] = {"day": _day, "week": _week, "peaks": _peaks}


if __name__ == "__main__":
    sys.exit(main())
