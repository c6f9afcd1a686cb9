"""What commands share that work on many series: who does it, and how they are read."""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import TYPE_CHECKING, Annotated

import typer

from aiops import wiring
from aiops.errors import ConfigError
from aiops.series import SeriesKey
from aiops.wiring import Engine

if TYPE_CHECKING:
    from aiops.ports import Mapper
    from aiops.settings import Settings
    from aiops.usecases.forecast import Part

CORES = os.cpu_count() or 1

EngineOption = Annotated[Engine, typer.Option("--engine", help="Who does the fitting.")]
RayAddressOption = Annotated[
    str | None,
    typer.Option(
        "--ray-address",
        help="With --engine ray: a running cluster, such as ray://head:10001.",
        show_default="AIOPS_RAY__ADDRESS; if that is not set, Ray is started here for the time of the work",
    ),
]
WorkersOption = Annotated[
    int,
    typer.Option(
        "--workers",
        min=1,
        help="Processes that share the work. With 1 the command works itself, and a fit that kills its process ends "
        "it. A cluster of Ray's decides itself.",
        show_default="one a core",
    ),
]


def chosen_mapper(engine: Engine, workers: int, ray_address: str | None, configured: Settings) -> Mapper:
    """Return who does the work that the options ask for.

    Raises:
        ConfigError: If they contradict each other, or Ray is asked for and not installed.
    """
    if ray_address is not None and engine is not Engine.RAY:
        raise ConfigError("--ray-address goes with --engine ray")
    return wiring.mapper(engine, workers, ray_address or configured.ray.address)


class Reader:
    """Parts of a source, one after the other, and what is told of all of them.

    Attributes:
        total: Series that there are.
        keys: Series that were read.
        skipped: (series id, reason) of those that could not be.
        warnings: What the source said beside the data.
    """

    def __init__(self, readings: Iterator[tuple[int, int, wiring.Reading]]) -> None:
        self._readings = readings
        self.total = 0
        self.keys: set[SeriesKey] = set()
        self.skipped: list[tuple[str, str]] = []
        self.warnings: list[str] = []

    def parts(self) -> Iterator[Part]:
        """Yield what the use cases take."""
        from aiops.usecases.forecast import Part

        for _, total, reading in self._readings:
            self.total = total
            self.skipped += reading.telemetry.skipped
            self.warnings += reading.telemetry.warnings
            self.keys |= {each.key for each in reading.telemetry.series}
            yield Part(series=reading.telemetry.series, metadata=reading.metadata, cutoffs=reading.cutoffs)
