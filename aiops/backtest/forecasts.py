"""Compares forecasters by rolling origins: each series, each forecaster, losses relative to a baseline, and seconds."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import timedelta

import numpy as np

from aiops.backtest.splits import RollingOrigins, Split
from aiops.errors import ConfigError
from aiops.forecasting.accuracy import absolute_scale, coverage, crps, mase, mean_of_known, pinball_loss
from aiops.forecasting.forecaster import PathForecaster
from aiops.series import FloatArray, Frame

DAY = timedelta(days=1)
BATCH = 32
"""Series in one piece of work: enough for a batched forecaster to be quick, few enough to share out and to show."""
SMALLEST = 1e-3
"""Added to both sides of a ratio of scaled losses, so that a series that is forecast exactly does not decide alone."""

Result = tuple["SeriesAccuracy | Skipped", ...]
MapWork = Callable[[Callable[["Work"], Result], Sequence["Work"]], Iterator[tuple[int, "Result | Exception"]]]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Work:
    """One forecaster on some series of one grid; what a ``Mapper`` hands out.

    Attributes:
        model: Name of the forecaster in the tables.
        forecaster: What is tried.
        frame: The series, whole; they are split inside.
        origins: Where they are split.
        levels: Quantile levels.
    """

    model: str
    forecaster: PathForecaster
    frame: Frame
    origins: RollingOrigins
    levels: FloatArray


@dataclass(frozen=True, slots=True, kw_only=True)
class SeriesAccuracy:
    """How one forecaster did on one series: means over its origins.

    Attributes:
        series_id: Which series.
        model: Name of the forecaster.
        origins: Origins that could be scored.
        mase: Error of the point forecast, in mean absolute daily differences inside the history.
        crps: Twice the mean pinball loss over the levels, in the same unit.
        pinball: Pinball loss of each level, in the same unit.
        coverage: Share of the truth between the lowest and the highest level.
        seconds: Time of one forecast of this series, calibration included; its share where a batch was forecast.
    """

    series_id: str
    model: str
    origins: int
    mase: float
    crps: float
    pinball: tuple[float, ...]
    coverage: float
    seconds: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Skipped:
    """A series that a forecaster was not scored on, and why."""

    series_id: str
    model: str
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Summary:
    """One forecaster over all series that both it and the baseline were scored on.

    Attributes:
        model: Name of the forecaster.
        series: How many series.
        relative_mase: Geometric mean of MASE over the baseline's; below 1 is better than the baseline.
        relative_mase_low: 10 % of the series are below this ratio.
        relative_mase_high: 10 % are above this one.
        relative_crps: Geometric mean of CRPS over the baseline's.
        worse_ratio: Share of series on which MASE is worse than the baseline's.
        coverage: Mean over series of the share of the truth between the lowest and the highest level.
        seconds: Median over series of the seconds a forecast; a mean would hold the first call's compilation.
    """

    model: str
    series: int
    relative_mase: float
    relative_mase_low: float
    relative_mase_high: float
    relative_crps: float
    worse_ratio: float
    coverage: float
    seconds: float


@dataclass(frozen=True, slots=True, kw_only=True)
class ForecastComparison:
    """What a backtest of forecasters found.

    Attributes:
        levels: Quantile levels.
        baseline: Name of the forecaster that the others are compared with.
        accuracies: One entry a series and model.
        skipped: What was not scored, and why.
    """

    levels: tuple[float, ...]
    baseline: str
    accuracies: tuple[SeriesAccuracy, ...]
    skipped: tuple[Skipped, ...]

    def summaries(self) -> list[Summary]:
        """Return one line a model, the best CRPS first."""
        base = {each.series_id: each for each in self.accuracies if each.model == self.baseline}
        lines = []
        for model in dict.fromkeys(each.model for each in self.accuracies):
            own = [each for each in self.accuracies if each.model == model and each.series_id in base]
            if own:
                lines.append(_summary(model, [(each, base[each.series_id]) for each in own]))
        return sorted(lines, key=lambda line: line.relative_crps)

    def rows(self) -> list[dict[str, object]]:
        """Return the summaries as rows of a table."""
        return [asdict(line) for line in self.summaries()]


def in_order(work: Callable[[Work], Result], items: Sequence[Work]) -> Iterator[tuple[int, Result | Exception]]:
    """Do the work here, one item after the other, as a ``Mapper`` would."""
    for index, item in enumerate(items):
        try:
            yield index, work(item)
        except Exception as error:  # noqa: BLE001 - as a Mapper does: the caller decides what a failed item means
            yield index, error


def evaluate(
    frames: Sequence[Frame],
    forecasters: Mapping[str, PathForecaster],
    origins: RollingOrigins,
    levels: FloatArray,
    *,
    baseline: str = "seasonal-naive",
    map_work: MapWork = in_order,
    progress: Callable[[int, int], None] | None = None,
) -> ForecastComparison:
    """Forecast every series at every origin by every forecaster, and compare.

    Args:
        frames: Series, one frame for each grid and length.
        forecasters: What to compare, by the name that tables show; the baseline among them.
        origins: Where histories end.
        levels: Quantile levels; evenly spaced ones, such as the deciles, make the CRPS meaningful.
        baseline: Whose losses the others are divided by.
        map_work: Who does the work; a ``Mapper.map`` does it on many processes.
        progress: Called with (pieces done, pieces in all).

    Raises:
        ConfigError: If the baseline is not among the forecasters.
    """
    if baseline not in forecasters:
        raise ConfigError(f"the baseline {baseline!r} is not among the forecasters {', '.join(forecasters)}: add it")
    items = [
        Work(model=model, forecaster=forecaster, frame=part, origins=origins, levels=levels)
        for model, forecaster in forecasters.items()
        for frame in frames
        for part in _parts(frame)
    ]
    results: dict[int, Result | Exception] = {}
    for index, result in map_work(score, items):
        results[index] = result
        if progress is not None:
            progress(len(results), len(items))
    accuracies: list[SeriesAccuracy] = []
    skipped: list[Skipped] = []
    for index, item in enumerate(items):
        result = results[index]
        if isinstance(result, Exception):
            reason = f"the forecaster failed: {type(result).__name__}: {result}"
            result = tuple(Skipped(series_id=k.series_id, model=item.model, reason=reason) for k in item.frame.keys)
        accuracies += [each for each in result if isinstance(each, SeriesAccuracy)]
        skipped += [each for each in result if isinstance(each, Skipped)]
    return ForecastComparison(
        levels=tuple(levels.tolist()), baseline=baseline, accuracies=tuple(accuracies), skipped=tuple(skipped)
    )


def score(work: Work) -> Result:
    """Forecast the series of one piece of work at each origin; one entry a series, scored or skipped."""
    series_ids = [key.series_id for key in work.frame.keys]
    splits = list(work.origins.split(work.frame))
    if not splits:
        reason = f"too short: {work.frame.length} points hold no origin with {work.origins.horizon} steps after it"
        return tuple(Skipped(series_id=each, model=work.model, reason=reason) for each in series_ids)
    began = time.perf_counter()
    forecasts = [work.forecaster.forecast(each.history, work.origins.horizon, work.levels) for each in splits]
    seconds = (time.perf_counter() - began) / len(splits) / len(series_ids)
    scale = np.array([_scale(each) for each in splits])  # [n_origins, n]
    with np.errstate(invalid="ignore", divide="ignore"):
        unit = np.where(scale > 0, scale, np.nan)
        truths = np.array([each.truth for each in splits])  # [n_origins, n, horizon]
        values = np.array([each.values for each in forecasts])  # [n_origins, n, q, horizon]
        error = mase(truths, np.array([each.mean for each in forecasts]), scale)
        score_of_all = crps(truths, values, work.levels) / unit
        losses = pinball_loss(truths, values, work.levels) / unit[..., None]
        inside = np.where(np.isnan(error), np.nan, coverage(truths, values[:, :, 0], values[:, :, -1]))
    result: list[SeriesAccuracy | Skipped] = []
    for row, series_id in enumerate(series_ids):
        scored = int(np.count_nonzero(~np.isnan(error[:, row])))
        if scored == 0:
            reason = _why_not(truths[:, row], scale[:, row])
            result.append(Skipped(series_id=series_id, model=work.model, reason=reason))
            continue
        result.append(
            SeriesAccuracy(
                series_id=series_id,
                model=work.model,
                origins=scored,
                mase=float(mean_of_known(error[:, row])),
                crps=float(mean_of_known(score_of_all[:, row])),
                pinball=tuple(mean_of_known(losses[:, row].T).tolist()),
                coverage=float(mean_of_known(inside[:, row])),
                seconds=seconds,
            )
        )
    return tuple(result)


def _parts(frame: Frame) -> Iterator[Frame]:
    for first in range(0, len(frame.keys), BATCH):
        yield frame.select(range(first, min(first + BATCH, len(frame.keys))))


def _scale(split: Split) -> FloatArray:
    """Return the mean absolute daily difference of each history; of neighbours, where it is shorter than a day."""
    period = max(DAY // split.history.step, 1)
    return absolute_scale(split.history.values, period if period < split.history.length else 1)


def _why_not(truths: FloatArray, scale: FloatArray) -> str:
    if np.isnan(truths).all():
        return "nothing was observed after any origin"
    if not (scale > 0).any():
        return "history is flat or too short at each origin: an error has no scale"
    return "no forecast: too little history, or the model could not be fitted"


def _summary(model: str, pairs: list[tuple[SeriesAccuracy, SeriesAccuracy]]) -> Summary:
    """Sum up one model from pairs of its own accuracy and the baseline's on the same series."""
    of_mase = np.array([(own.mase + SMALLEST) / (base.mase + SMALLEST) for own, base in pairs])
    of_crps = np.array([(own.crps + SMALLEST) / (base.crps + SMALLEST) for own, base in pairs])
    return Summary(
        model=model,
        series=len(pairs),
        relative_mase=float(np.exp(np.log(of_mase).mean())),
        relative_mase_low=float(np.quantile(of_mase, 0.1)),
        relative_mase_high=float(np.quantile(of_mase, 0.9)),
        relative_crps=float(np.exp(np.log(of_crps).mean())),
        worse_ratio=float((of_mase > 1).mean()),
        coverage=float(np.mean([own.coverage for own, _ in pairs])),
        seconds=float(np.median([own.seconds for own, _ in pairs])),
    )
