"""What the use cases need from outside, one Protocol each. Adapters implement them; the core never sees them."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Protocol, TypeVar

from aiops.alerting.alert import Alert
from aiops.alerting.feedback import Feedback
from aiops.errors import DataError
from aiops.forecasting.bundle import Bundle
from aiops.forecasting.fleet.exhaustion import Exhaustion
from aiops.series import Series
from aiops.series.grid import require_step
from aiops.series.quality import Quality

Item = TypeVar("Item")
Result = TypeVar("Result")

MOST_STEPS = 100_000
"""Steps of history that one question may be about."""


class Clock(Protocol):
    """Where entry points get the time from; simulated in demos, tests and backtests."""

    def now(self) -> datetime:
        """Return the present instant, UTC."""
        ...

    async def sleep_until(self, at: datetime) -> None:
        """Return at ``at``, or at once if it has passed."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Telemetry:
    """What a source answered: all of it, or the part that could be had and why the rest could not.

    Attributes:
        series: The series; those of one range query are on one grid, those of whole files each on its own.
        qualities: One verdict a series, in the same order.
        warnings: What the source said beside the data.
        skipped: (series id or query, reason) of what was asked for and could not be had or used; the rest is good.
    """

    series: tuple[Series, ...]
    qualities: tuple[Quality, ...]
    warnings: tuple[str, ...] = ()
    skipped: tuple[tuple[str, str], ...] = ()


class MetricSource(Protocol):
    """Where telemetry comes from."""

    async def range(self, query: str, start: datetime, end: datetime, step: timedelta) -> Telemetry:
        """Return one Series a label set, on the grid start, start + step, ... of stamps before ``end``.

        A stamp marks the start of its step, whatever the source calls it.

        Raises:
            DataError: If nothing matches, or what matches cannot be used.
            UpstreamUnavailableError: If the source did not answer; worth trying again.
            UpstreamRejectedError: If it refused the query.
        """
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class PeakQuery:
    """Of which series, how far ahead and how surely the highest demand is asked for.

    Attributes:
        query: PromQL that returns one series.
        step: Grid on which it is read.
        history: How much of it the forecast is made from.
        window: How far ahead; counts from the instant of the question.
        model: Name in the catalog of window forecasters.
        level: Quantile in (0, 1).
    """

    query: str
    step: timedelta
    history: timedelta
    window: timedelta
    model: str
    level: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Peak:
    """A forecast of the highest demand within a window.

    Attributes:
        value: Quantile of that maximum, in the unit of the series. Finite.
        cutoff: Stamp of the last observation that was used.
        model: Who made it.
        digest: Of the bundle it came from; empty if it came from none.
    """

    value: float
    cutoff: datetime
    model: str
    digest: str = ""

    def __post_init__(self) -> None:
        if not math.isfinite(self.value):
            raise DataError(f"a peak is a number, got {self.value}")


@dataclass(frozen=True, slots=True, kw_only=True)
class LimitQuery:
    """Of which series, and how much of it, it is asked when a limit is reached.

    Attributes:
        query: PromQL that returns one series.
        step: Grid on which it is read; divides an hour.
        limit: In the unit of the series. A number.
        history: How much is read, at most: two weeks are the least that an answer is made from.
    """

    query: str
    step: timedelta
    limit: float
    history: timedelta = timedelta(days=28)

    def __post_init__(self) -> None:
        if not self.query.strip():
            raise DataError("ask about a query: it is empty")
        if math.isnan(self.limit):
            raise DataError("a limit is a number, got NaN")
        require_step(self.step)
        if not 1 <= self.history // self.step <= MOST_STEPS:
            raise DataError(
                f"history must hold 1 to {MOST_STEPS:,} steps of {self.step}, got {self.history}: give another "
                "history or a longer step"
            )


class ForecastSource(Protocol):
    """Where forecasts of demand come from: the service, or this process."""

    async def peak(self, asked: PeakQuery, now: datetime) -> Peak:
        """Return the forecast that can be made at ``now``, from observations known by then only.

        Raises:
            ConfigError: If the query returns more than one series, or there is no such model.
            DataError: If what is known does not suffice.
            ModelError: If there is no forecast.
            UpstreamError: If the source did not answer, or refused.
        """
        ...

    async def exhaustion(self, asked: LimitQuery, now: datetime) -> Exhaustion:
        """Return how likely and when the limit is reached, from observations known at ``now`` only.

        Raises:
            DataError: If the query returns several series, or what is known does not suffice.
            ModelError: If nobody here can tell.
            UpstreamError: If the source did not answer, or refused.
        """
        ...


class AlertSink(Protocol):
    """Where alerts go."""

    async def send(self, alerts: Sequence[Alert]) -> None:
        """Deliver the present state of these alerts; sending the same state twice does no harm.

        Raises:
            UpstreamUnavailableError: If they should be sent again.
            ContentRejectedError: If one of them never will be accepted.
            UpstreamRejectedError: If nothing will be accepted until somebody puts right how it is reached.
        """
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Backlog:
    """How far the delivery of alerts has got.

    Attributes:
        waiting: Alert changes that Alertmanager does not know of yet.
        oldest: How long the oldest of them has waited.
        up: Whether the last request was answered; None before the first.
        since: Since when that is so; None before the first.
        trouble: Why alerts are not delivered or not kept safe; empty if all is well.
    """

    waiting: int
    oldest: timedelta = timedelta(0)
    up: bool | None = None
    since: datetime | None = None
    trouble: str = ""


class AlertOutbox(Protocol):
    """Where alerts wait until they are delivered; what was put there survives the end of the process.

    Beside the alerts that people are told of, it keeps what these were made from.
    """

    def put(self, alerts: Sequence[Alert]) -> None:
        """Keep the present state of these alerts, in their order; when it returns they are on disk.

        It never raises: where the disk fails, alerts are kept in memory and delivered all the same.
        """
        ...

    def firing(self) -> Mapping[str, tuple[Alert, datetime]]:
        """Return what was last put as firing, by fingerprint, with when that was."""
        ...

    def keep_series(self, alerts: Sequence[Alert]) -> None:
        """Keep what the rules said of single series, which is not delivered; what is resolved is forgotten."""
        ...

    def series(self) -> Mapping[str, tuple[Alert, datetime]]:
        """Return the alerts of series that fire, by fingerprint, with when they were kept."""
        ...

    def note_told(self, incidents: Mapping[str, Alert]) -> None:
        """Remember incidents that people were told of, each under a name of its own, for four weeks."""
        ...

    def told(self) -> Mapping[str, Alert]:
        """Return them by name."""
        ...

    def backlog(self) -> Backlog:
        """Return how far delivery has got."""
        ...

    async def run(self) -> None:
        """Deliver, and send firing alerts again before they expire, until cancelled."""
        ...


class FeedbackStore(Protocol):
    """What people said of the incidents that they were told of. What fails is logged, and stops nothing."""

    def note(self, incidents: Mapping[str, Alert], now: datetime) -> None:
        """Keep incidents that were told, so that people can speak of them."""
        ...

    def changed(self) -> Sequence[Feedback] | None:
        """Return all feedback in the order in which it was given; None if there is none since the last call."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Obstacle:
    """Why a workload is left alone.

    Attributes:
        reason: One word in CamelCase, for conditions and Events.
        message: A sentence: what is in the way, and what to do about it.
    """

    reason: str
    message: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Replicas:
    """What a workload runs at this moment.

    Attributes:
        current: The number that is controlled: the HPA's ``minReplicas`` in mode Floor, replicas in mode Direct.
        ready: Replicas that serve; None if unknown.
        asked: Replicas that it is asked to run, whoever asked; None if unknown.
        ceiling: The most that can be set: the HPA's ``maxReplicas``; None for no such limit.
        baseline: The HPA's own ``minReplicas``, which is given back one day; None if there is none to give back.
        obstacle: Why it must not be changed though it can be seen; None if it may be.
    """

    current: int
    ready: int | None = None
    asked: int | None = None
    ceiling: int | None = None
    baseline: int | None = None
    obstacle: Obstacle | None = None


class Workload(Protocol):
    """What is scaled."""

    async def read(self) -> Replicas:
        """Return what is there now.

        Raises:
            UpstreamUnavailableError: If that cannot be found out.
        """
        ...

    async def apply(self, desired: int) -> None:
        """Set the number that is controlled.

        Raises:
            UpstreamError: If it could not be set; the next turn will see the world as it is and try again.
        """
        ...


class Mapper(Protocol):
    """Runs CPU-heavy work over many items: in this process, in local processes, or on a cluster."""

    def map(self, work: Callable[[Item], Result], items: Iterable[Item]) -> Iterator[tuple[int, Result | Exception]]:
        """Yield (index, result) as each is done, in any order; an item that fails yields its exception.

        Items are taken as they are needed, a few a worker ahead: they may be read while others are worked on.
        """
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class KeptBundle:
    """A bundle on disk.

    Attributes:
        path: Its folder.
        digest: SHA-256 of its manifest, which holds that of every other file.
    """

    path: Path
    digest: str


class BundleShelf(Protocol):
    """Where bundles are kept before anything is registered."""

    def keep(self, bundle: Bundle) -> KeptBundle:
        """Write a bundle, whole or not at all; the same bundle gives the same bytes.

        Raises:
            ConfigError: If it cannot be written.
        """
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelVersion:
    """One registered version of a model.

    Attributes:
        name: Name of the model.
        number: Number of the version, as the registry writes it.
        digest: Digest of its bundle.
    """

    name: str
    number: str
    digest: str


class ModelStore(Protocol):
    """Where bundles are registered, and which of them is the champion."""

    async def champion(self, name: str) -> ModelVersion | None:
        """Return the version that serves now; None if there is none.

        Raises:
            UpstreamError: If the registry did not answer, or refused.
        """
        ...

    async def load(self, version: ModelVersion) -> Bundle:
        """Return the bundle of a version, every byte checked against the digest.

        Raises:
            ModelError: If it is missing, or not what was registered.
            UpstreamError: If the registry did not answer, or refused.
        """
        ...

    async def register(
        self, name: str, bundle: KeptBundle, tags: Mapping[str, str], metrics: Mapping[str, float]
    ) -> ModelVersion:
        """Store a bundle as a new version; one that is registered already keeps its number.

        A version appears only when all of its files are stored.

        Raises:
            UpstreamError: If the registry did not answer, or refused.
        """
        ...

    async def promote(self, version: ModelVersion) -> None:
        """Make a version the champion.

        Raises:
            UpstreamError: If the registry did not answer, or refused.
        """
        ...
