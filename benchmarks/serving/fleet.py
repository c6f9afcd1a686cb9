"""What the service is given: a fleet of series, the calls that push them, and champions that forecast some of them."""

import asyncio
from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path

import numpy as np

from aiops.adapters.bundle_files import BundleFolder
from aiops.adapters.mlflow_models import MlflowModels
from aiops.api.v1.scoring_pb2 import ScoreRequest
from aiops.api.v1.series_pb2 import SeriesKey as WireKey
from aiops.forecasting.bundle import LEVELS, Accuracy, Bundle, Entry, Lineage
from aiops.forecasting.forecast import Forecast
from aiops.ports import ModelVersion
from aiops.series import SeriesKey

STEP = timedelta(minutes=1)
SERIES = 1000
FORECAST_SERIES = 50
STEPS = 1400
MODEL = "benchmark"
_SEED = 11


class Fleet:
    """A thousand series in steps of a minute; each step of each is sent once, in order, as a real sender would.

    Args:
        start: Stamp of the first step.
    """

    def __init__(self, start: datetime) -> None:
        self.start = start
        labels = [
            {"service": f"shop-{number % 50}", "pod": f"shop-{number:04}", "zone": "eu"} for number in range(SERIES)
        ]
        self.keys = [SeriesKey.of("http_requests", each) for each in labels]
        self._wire = [WireKey(name="http_requests", labels=each) for each in labels]
        generator = np.random.default_rng(_SEED)
        wave = 100 + 30 * np.sin(np.arange(STEPS) * 2 * np.pi / 1440)
        self.values = wave * generator.lognormal(0, 0.05, (SERIES, STEPS))
        self._step = 0

    def batch(self) -> ScoreRequest:
        """Return the next step of all series."""
        step = self._next()
        return ScoreRequest(
            series=self._wire,
            series_index=range(SERIES),
            timestamp_ms=[self._milliseconds(step)] * SERIES,
            value=self.values[:, step].tolist(),
        )

    def singles(self) -> Iterator[ScoreRequest]:
        """Yield one point a call: the next step of each series in turn, and then the one after it."""
        while True:
            step = self._next()
            for row, key in enumerate(self._wire):
                yield ScoreRequest(
                    series=[key],
                    series_index=[0],
                    timestamp_ms=[self._milliseconds(step)],
                    value=[self.values[row, step]],
                )

    def _next(self) -> int:
        step, self._step = self._step, self._step + 1
        if step >= STEPS:
            raise RuntimeError(f"{STEPS} steps do not suffice for so many calls: ask for fewer rounds or seconds")
        return step

    def _milliseconds(self, step: int) -> int:
        return round((self.start + step * STEP).timestamp() * 1000)

    def bundle(self, spread: float) -> Bundle:
        """Return forecasts of some of the series, with intervals of a width of their own."""
        keys = tuple(self.keys[:FORECAST_SERIES])
        mean = np.broadcast_to(self.values[:FORECAST_SERIES].mean(axis=0), (FORECAST_SERIES, STEPS)).copy()
        widths = 1 + spread * (np.array(LEVELS) - 0.5)
        accuracy = Accuracy(folds=2, mase=0.5, crps=0.3, coverage=0.9)
        return Bundle(
            forecasts=(
                Forecast(
                    keys=keys,
                    cutoff=self.start - STEP,
                    step=STEP,
                    mean=mean,
                    levels=np.array(LEVELS),
                    values=mean[:, None, :] * widths[None, :, None],
                    units=("",) * len(keys),
                    models=("seasonal-naive",) * len(keys),
                ),
            ),
            entries=tuple(Entry(key=key, recipe="seasonal-naive", accuracy=accuracy) for key in keys),
            lineage=Lineage(
                snapshot_digest="0" * 64,
                query="",
                until=self.start,
                horizon=STEPS * STEP,
                history=timedelta(days=14),
                forecasters=("seasonal-naive",),
                choosing=2,
                judging=2,
                version="0",
            ),
        )


def register(fleet: Fleet, uri: str, folder: Path) -> list[ModelVersion]:
    """Register two bundles and make the first the champion."""
    store, shelf = MlflowModels(uri), BundleFolder(folder)

    async def work() -> list[ModelVersion]:
        kept = [shelf.keep(fleet.bundle(spread)) for spread in (0.2, 0.3)]
        versions = [await store.register(MODEL, each, {}, {}) for each in kept]
        await store.promote(versions[0])
        return versions

    return asyncio.run(work())
