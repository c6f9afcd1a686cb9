"""What is compared, and over which settings: the same for every trace."""

from collections.abc import Callable
from datetime import timedelta

from aiops.backtest.study import Contender, Grid
from aiops.forecasting.catalog import window_forecaster
from aiops.forecasting.forecaster import WindowForecaster
from aiops.forecasting.holt_winters import HoltWinters
from aiops.forecasting.prophet import ProphetDaily
from aiops.forecasting.window import CalibratedPeaks, ErrorUnit
from aiops.scaling.policy import ScalingPolicy

GRID = Grid(
    targets=tuple(round(0.2 + 0.05 * i, 2) for i in range(17)),
    down_windows=tuple(timedelta(minutes=minutes) for minutes in (5, 15, 30, 60)),
    floor_targets=(0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1.0),
    levels=(0.5, 0.7, 0.8, 0.9, 0.95, 0.98, 0.99, 0.995, 0.998, 0.999),
)
# The forecast as it is, without pace and hold, so that forecasts are compared. Each trace has its own capacity.
POLICY = ScalingPolicy.model_validate(
    {
        "bounds": {"minReplicas": 1, "maxReplicas": 1_000_000},
        "load": {"capacityPerReplica": 1, "targetUtilization": 1.0},
        "forecast": {"window": "4m"},
        "behavior": {
            "scaleUp": {"maxStepRatio": 1000},
            "scaleDown": {"maxStepRatio": 1, "stabilizationWindow": "0s"},
        },
    }
)
FORECASTERS = ("last-week", "prophet-daily", "holt-winters")
# What the reference may have done differently; `--explain` measures it.
VARIANTS: dict[str, Callable[[], WindowForecaster]] = {
    "holt-winters, absolute errors": lambda: CalibratedPeaks(
        peaks=HoltWinters(level_memory=timedelta(minutes=3)), unit=ErrorUnit.ABSOLUTE
    ),
    "holt-winters, absolute errors, level of 1 h": lambda: CalibratedPeaks(
        peaks=HoltWinters(level_memory=timedelta(hours=1)), unit=ErrorUnit.ABSOLUTE
    ),
    "prophet-daily, history of 7 d": lambda: CalibratedPeaks(
        peaks=ProphetDaily(history=timedelta(days=7)), unit=ErrorUnit.ABSOLUTE
    ),
}


def contender(name: str) -> Contender:
    """Return a forecaster of the catalog, or a variant, as a floor under the HPA.

    Raises:
        ConfigError: If there is none of this name.
    """
    forecaster = VARIANTS[name]() if name in VARIANTS else window_forecaster(name)
    return Contender(name=name, policy=POLICY, forecaster=forecaster)
