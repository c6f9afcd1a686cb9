"""Every detector by name. A new one is a file beside this and a line here; contract tests come by themselves."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

from aiops.detection.adwin import AdwinDetector
from aiops.detection.detector import Detector
from aiops.detection.fleet import FleetDetector
from aiops.detection.gaussian import GaussianDetector
from aiops.detection.halfspace import HalfSpaceDetector
from aiops.detection.holt_winters import HoltWintersDetector
from aiops.detection.page_hinkley import PageHinkleyDetector
from aiops.detection.quantile import QuantileDetector
from aiops.detection.residual import ResidualDetector
from aiops.errors import ConfigError

CATALOG: Final[Mapping[str, Callable[[], Detector[Any]]]] = {
    "fleet": FleetDetector,
    "residual": ResidualDetector,
    "halfspace": HalfSpaceDetector,
    "gaussian": GaussianDetector,
    "quantile": QuantileDetector,
    "holt-winters": HoltWintersDetector,
    "adwin": AdwinDetector,
    "page-hinkley": PageHinkleyDetector,
}


def detector(name: str) -> Detector[Any]:
    """Return a new detector.

    Raises:
        ConfigError: If the catalog has no such name; says which it has.
    """
    try:
        return CATALOG[name]()
    except KeyError:
        raise ConfigError(f"there is no detector {name!r}; choose from {', '.join(CATALOG)}") from None


def unknown(names: Sequence[str]) -> str:
    """Return what is wrong with a choice of detectors; empty if nothing is."""
    wrong = [each for each in names if each not in CATALOG]
    if not wrong and len(set(names)) == len(names):
        return ""
    return f"detectors are distinct names out of {', '.join(CATALOG)}; got {', '.join(wrong or names)}"
