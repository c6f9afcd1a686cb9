"""Every forecaster by name. A new one is one file beside this and one line here; contract tests come by themselves."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from typing import TypeVar

from aiops.errors import ConfigError
from aiops.forecasting.boosted import Boosted
from aiops.forecasting.boosted_trees import TreeStore
from aiops.forecasting.conformal import Conformal
from aiops.forecasting.ets import ETS
from aiops.forecasting.fleet.calendar import Calendar
from aiops.forecasting.fleet.forecaster import Fleet
from aiops.forecasting.forecaster import PathForecaster, WindowForecaster
from aiops.forecasting.holt_winters import HoltWinters
from aiops.forecasting.mstl import MSTL
from aiops.forecasting.naive import WEEK, SeasonalNaive
from aiops.forecasting.prophet import PROPHET, ProphetDaily
from aiops.forecasting.selection import Selection
from aiops.forecasting.structural import STRUCTURAL
from aiops.forecasting.window import CalibratedPeaks, ErrorUnit, LastWeek

Forecaster = TypeVar("Forecaster")

WEEKLY_NAIVE = SeasonalNaive(period=WEEK, name="weekly-naive")
# Measured on 5-minute telemetry, see benchmarks/forecasting.
HOLT_WINTERS_OF_A_DAY = HoltWinters(level_memory=timedelta(hours=12))
# Measured on 1-minute request rates: two to five minutes are all about as good.
HOLT_WINTERS_OF_MINUTES = HoltWinters(level_memory=timedelta(minutes=3))

PATH: dict[str, Callable[[], PathForecaster]] = {
    "fleet": Fleet,
    "seasonal-naive": lambda: Conformal(model=SeasonalNaive()),
    "weekly-naive": lambda: Conformal(model=WEEKLY_NAIVE),
    "holt-winters": lambda: Conformal(model=HOLT_WINTERS_OF_A_DAY),
    "ets": lambda: Conformal(model=ETS, origins=4),
    "mstl": lambda: Conformal(model=MSTL, origins=4),
    "structural": lambda: Conformal(model=STRUCTURAL, origins=3),
    "prophet": lambda: Conformal(model=PROPHET, origins=3),
    # The cheap ones only: a night has room for a fit of seconds a series, not for one at each origin.
    "selection": lambda: Selection(candidates=(SeasonalNaive(), WEEKLY_NAIVE, HOLT_WINTERS_OF_A_DAY)),
}

WINDOW: dict[str, Callable[[], WindowForecaster]] = {
    "last-week": lambda: CalibratedPeaks(peaks=LastWeek(), unit=ErrorUnit.ABSOLUTE),
    "prophet-daily": lambda: CalibratedPeaks(peaks=ProphetDaily(), unit=ErrorUnit.ABSOLUTE),
    "holt-winters": lambda: CalibratedPeaks(peaks=HOLT_WINTERS_OF_MINUTES),
    "boosted": lambda: Boosted(fallback=CalibratedPeaks(peaks=HOLT_WINTERS_OF_MINUTES)),
}


def path_forecaster(name: str) -> PathForecaster:
    """Make a path forecaster; ``fleet@Europe/Berlin,DE`` is ``fleet`` by the clocks and the holidays of a place.

    Raises:
        ConfigError: If there is none of this name, or no such place.
    """
    base, separator, place = name.partition("@")
    if separator and base == "fleet":
        return Fleet(calendar=Calendar.of(place))
    return _made(PATH, name)


def window_forecaster(name: str, store: TreeStore | None = None) -> WindowForecaster:
    """Make a window forecaster; one that grows trees keeps them in ``store``.

    Raises:
        ConfigError: If there is none of this name.
    """
    made = _made(WINDOW, name)
    return replace(made, store=store) if isinstance(made, Boosted) else made


def _made(catalog: dict[str, Callable[[], Forecaster]], name: str) -> Forecaster:
    if name not in catalog:
        raise ConfigError(f"no forecaster is called {name!r}: choose one of {', '.join(catalog)}")
    return catalog[name]()
