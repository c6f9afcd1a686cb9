"""How odd the metrics of one service are together: each may be ordinary alone, and the way they move apart not."""

from __future__ import annotations

import importlib.util
import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Final, Literal, get_args

import numpy as np

from aiops.detection.joint_tails import Tails
from aiops.errors import ConfigError
from aiops.series import FloatArray

Method = Literal["ecod", "iforest"]

_FARTHEST: Final = 100.0  # usual distances; a residual beyond says nothing more
_CLIP: Final = 6.0  # usual distances; a residual beyond teaches as if it were so far, the n-th in a row n times
_NARROWEST: Final = 1e-3  # usual distances: less than that is no spread
_MEMORY: Final = 1440.0  # vectors that a usual distance looks back on, as the mean age of an exponential mean
_UNCLIPPED: Final = 30  # residuals before which a usual distance is no measure of anything
_FLATTEST: Final = 1e-4  # of the mean variance: two metrics that are copies of each other leave a direction of none
_CORE: Final = 0.5  # share of the metrics that has to be there


def require(method: str | None) -> None:
    """Refuse a method that there is not, or that needs what is not installed.

    Raises:
        ConfigError: If so; says what to do.
    """
    if method is not None and method not in get_args(Method):
        raise ConfigError(f"together: {method!r} is not a method; choose from {', '.join(get_args(Method))}")
    if method == "iforest" and importlib.util.find_spec("pyod") is None:
        raise ConfigError("together: iforest needs pyod: install aiops[train], or choose ecod, which needs nothing")


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class JointModel:
    """How the residuals of ``k`` metrics usually go together.

    Attributes:
        usable: Which metrics of the service it knows, shape ``[columns]``.
        mean: Of their residuals, shape ``[k]``.
        precision: Inverse of their covariance, shape ``[k, k]``.
        axes: Turns distances from the mean into uncorrelated parts of variance one, shape ``[k, k]``.
        parts: Says how odd such parts are: larger is odder, any unit.
    """

    usable: Any
    mean: FloatArray
    precision: FloatArray
    axes: FloatArray
    parts: Any

    def oddity(self, vectors: FloatArray) -> FloatArray:
        """Return how odd vectors ``[n, columns]`` are, shape ``[n]``, at least 0; NaN where too little is known of one.

        What is missing is taken for what the others lead one to expect: it makes no vector odd.
        """
        known = vectors[:, self.usable]
        present = ~np.isnan(known)
        enough = (present.sum(axis=1) >= 2) & (present.mean(axis=1) > _CORE)
        found = np.full(len(vectors), np.nan)
        if enough.any():
            whole = np.array([row if here.all() else self._filled(row, here) for row, here in _rows(known, enough)])
            found[enough] = self._of(whole)
        return found

    def contributions(self, vector: FloatArray) -> FloatArray:
        """Return how much less odd a vector would be if each metric were as the others say, shape ``[columns]``.

        As shares of one; 0 for what is missing or not known to the model.

        Args:
            vector: Residuals in usual distances, shape ``[columns]``.
        """
        known = vector[self.usable]
        present = ~np.isnan(known)
        whole = known if present.all() else self._filled(known, present)
        others = np.tile(whole, (len(whole), 1))
        for index in range(len(whole)):
            others[index] = self._filled(whole, np.arange(len(whole)) != index)
        less = np.maximum(np.log(self._of(whole[None])) - np.log(self._of(others)), 0.0) * present
        found = np.zeros(len(vector))
        found[self.usable] = less / less.sum() if less.sum() > 0 else 0.0
        return found

    def _filled(self, row: FloatArray, present: Any) -> FloatArray:
        """Return a vector whose missing entries are what is most likely beside the others, were they normal."""
        filled, missing = row.copy(), ~present
        pull = self.precision[np.ix_(missing, present)] @ (row - self.mean)[present]
        filled[missing] = self.mean[missing] - np.linalg.solve(self.precision[np.ix_(missing, missing)], pull)
        return filled

    def _of(self, whole: FloatArray) -> FloatArray:
        # One vector at a time and many give the same bits: the sums of a matrix product may depend on its shape.
        found: FloatArray = self.parts.oddity(np.einsum("nk,kj->nj", whole - self.mean, self.axes))
        return found


@dataclass(slots=True)
class Vectors:
    """What was learnt of one service. All of it is data, and made anew from history by a new process.

    Attributes:
        ring: The latest vectors that teach, in usual distances, shape ``[window, columns]``; NaN where there is none.
        usual: Mean distance of each metric from what was expected, surprises clipped, shape ``[columns]``.
        seen: Residuals of each metric, shape ``[columns]``.
        surprises: Clipped ones of each in a row, shape ``[columns]``: what persists is believed.
        taught: How many there were.
        model: Fitted to them; None while there are too few.
    """

    ring: FloatArray
    usual: FloatArray
    seen: FloatArray
    surprises: FloatArray
    taught: int = 0
    model: JointModel | None = field(default=None)


class JointDetector:
    """Vectors of residuals of one service's metrics: turned into uncorrelated parts, and judged by ECOD or IForest.

    Two metrics that rise and fall together are strangers the moment one rises and the other falls, although each is
    where it often is. The covariance of the latest vectors turns them into parts that have nothing to do with each
    other; there that moment lies far out. ``ecod`` adds up how rare each part is by the empirical distribution of the
    window, in closed form; ``iforest`` asks pyod's isolation forest, which also sees holes between clouds, and takes
    milliseconds a vector.

    The raw score is for ``Calibration``, as that of any detector. A fit is made of the window every ``refit`` vectors.

    Args:
        method: ``ecod`` or ``iforest``.
        window: Vectors that are looked back on: a week of minutes by default, 80 kB a metric.
        fewest: Vectors before the first fit.
        refit: Vectors from one fit to the next.

    Raises:
        ConfigError: If there is no such method or a number is too small, or pyod is not installed for ``iforest``.

    Reference:
        Li et al. (2022), "ECOD: unsupervised outlier detection using empirical cumulative distribution functions",
        IEEE TKDE; Liu, Ting and Zhou (2008), "Isolation forest", ICDM.
    """

    def __init__(self, method: Method = "ecod", *, window: int = 10_080, fewest: int = 500, refit: int = 1440) -> None:
        require(method)
        if not 100 <= fewest <= window or refit < 1:
            raise ConfigError(
                f"together: 100 <= fewest <= window and refit >= 1 are needed, got {fewest}, {window} and {refit}"
            )
        self.method: Final = method
        self.window: Final = window
        self.fewest: Final = fewest
        self.refit: Final = refit

    def start(self, columns: int) -> Vectors:
        """Return the state of a service of which nothing is known."""
        usual, seen, surprises = np.zeros((3, columns))
        return Vectors(ring=np.full((self.window, columns), np.nan), usual=usual, seen=seen, surprises=surprises)

    def arrange(self, state: Vectors, columns: Sequence[int]) -> None:
        """Give the metrics other places: the one at each was at ``columns`` before, or is new, where that is -1.

        One that is new counts from the fit on at which it was there for half of the window.
        """
        places = list(columns)
        state.ring = np.hstack([state.ring, np.full((self.window, 1), np.nan)])[:, places]
        kept = np.stack([state.usual, state.seen, state.surprises])
        state.usual, state.seen, state.surprises = np.hstack([kept, np.zeros((3, 1))])[:, places]
        if state.model is not None:
            state.model = self._fit(state.ring)

    def placed(self, state: Vectors, residuals: FloatArray) -> FloatArray:
        """Return residuals ``[columns]`` in usual distances: what metrics of any unit have in common."""
        with np.errstate(over="ignore", invalid="ignore"):
            found: FloatArray = np.clip(residuals / np.maximum(state.usual, 1e-300), -_FARTHEST, _FARTHEST)
        return np.where(state.seen > 0, found, np.nan)

    def score(self, state: Vectors, residuals: FloatArray) -> float:
        """Return how odd a vector of residuals ``[columns]`` is; NaN without a fit, or where too little is known of it.

        Never changes the state.
        """
        if state.model is None:
            return math.nan
        return float(state.model.oddity(self.placed(state, residuals)[None])[0])

    def learn(self, state: Vectors, residuals: FloatArray) -> None:
        """Take in a vector of residuals ``[columns]``, and fit anew when it is time; all gaps teach nothing."""
        here = ~np.isnan(residuals)
        if not here.any():
            return
        state.ring[state.taught % self.window] = self.placed(state, residuals)
        state.taught += 1
        size, usual = np.minimum(np.abs(residuals[here]), 1e300), state.usual[here]
        seen, surprises = state.seen[here] + 1, state.surprises[here]
        limit = _CLIP * usual * (1 + surprises)
        surprising = (seen > _UNCLIPPED) & (usual > 0) & (size > limit)
        state.surprises[here] = np.where(surprising, surprises + 1, 0.0)
        size = np.where(surprising, limit, size)
        state.usual[here] = usual + (size - usual) * np.maximum(1 / _MEMORY, 1 / seen)
        state.seen[here] = seen
        if state.taught >= self.fewest and (state.taught - self.fewest) % self.refit == 0:
            state.model = self._fit(state.ring)

    def replay(self, state: Vectors, residuals: FloatArray) -> FloatArray:
        """Score and learn vectors of residuals ``[n, columns]``, oldest first; return the scores ``[n]``.

        The same as one by one, bit for bit; those between two fits are scored at once.
        """
        found, begin, placed = np.full(len(residuals), np.nan), 0, np.empty_like(residuals)
        while begin < len(residuals):
            fitted, end = state.model, begin
            while end < len(residuals) and state.model is fitted:
                placed[end] = self.placed(state, residuals[end])
                self.learn(state, residuals[end])
                end += 1
            if fitted is not None:
                found[begin:end] = fitted.oddity(placed[begin:end])
            begin = end
        return found

    def _fit(self, ring: FloatArray) -> JointModel | None:
        """Return what fits the window; None while fewer than two metrics are known well enough."""
        seen = ring[~np.isnan(ring).all(axis=1)]
        usable = (~np.isnan(seen)).mean(axis=0) > _CORE
        whole = seen[:, usable]
        whole = whole[~np.isnan(whole).any(axis=1)]
        if usable.sum() < 2 or len(whole) < self.fewest // 2:
            return None
        centre = np.median(whole, axis=0)
        reach = _CLIP * np.maximum(np.abs(whole - centre).mean(axis=0), _NARROWEST)
        calm = np.clip(whole, centre - reach, centre + reach)
        mean, spread = calm.mean(axis=0), np.maximum(calm.std(axis=0), _NARROWEST)
        shape = (calm - mean) / spread
        sizes, directions = np.linalg.eigh(shape.T @ shape / len(shape))
        sizes = np.maximum(sizes, _FLATTEST)
        axes = directions / np.sqrt(sizes) / spread[:, None]
        parts = np.einsum("nk,kj->nj", whole - mean, axes)
        if self.method == "ecod":
            judged: Any = Tails.of(parts)
        else:
            from aiops.detection.joint_forest import Forest

            judged = Forest.of(parts)
        return JointModel(usable=usable, mean=mean, precision=axes @ axes.T, axes=axes, parts=judged)


def _rows(known: FloatArray, enough: Any) -> Any:
    """Yield the vectors of which enough is known, each with what is."""
    for row in known[enough]:
        yield row, ~np.isnan(row)
