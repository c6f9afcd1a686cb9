"""Small bundles to serve in tests."""

from collections.abc import Sequence
from datetime import datetime, timedelta

import numpy as np

from aiops.forecasting.bundle import LEVELS, Accuracy, Bundle, Entry, Lineage
from aiops.forecasting.forecast import Forecast
from aiops.series import FloatArray, SeriesKey

MINUTE = timedelta(minutes=1)


def bundle(
    keys: Sequence[SeriesKey], cutoff: datetime, mean: FloatArray, *, query: str = "", step: timedelta = MINUTE
) -> Bundle:
    """A bundle whose quantiles lie within five percent of ``mean``, shape ``[n, horizon]``."""
    spread = 0.9 + 0.2 * np.array(LEVELS)
    forecast = Forecast(
        keys=tuple(keys),
        cutoff=cutoff,
        step=step,
        mean=mean,
        levels=np.array(LEVELS),
        values=mean[:, None, :] * spread[None, :, None],
        units=("requests/second",) * len(keys),
        models=("seasonal-naive",) * len(keys),
    )
    accuracy = Accuracy(folds=2, mase=0.5, crps=0.3, coverage=0.9)
    return Bundle(
        forecasts=(forecast,),
        entries=tuple(Entry(key=key, recipe="seasonal-naive", accuracy=accuracy) for key in keys),
        lineage=Lineage(
            snapshot_digest="0" * 64,
            query=query,
            until=cutoff + step,
            horizon=mean.shape[1] * step,
            history=timedelta(days=14),
            forecasters=("seasonal-naive",),
            choosing=2,
            judging=2,
            version="0",
        ),
    )
