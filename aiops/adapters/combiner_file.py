"""A combiner as a JSON file: numbers only, and refused unless it is, to the digit, what was written."""

from __future__ import annotations

import hashlib
import json
import math
from pathlib import Path
from typing import Any, Final

import numpy as np

from aiops.adapters.whole_file import whole_file
from aiops.detection.combiner import Combiner
from aiops.detection.combiner_record import NAMES
from aiops.errors import ConfigError, DataError
from aiops.forecasting.boosted_trees import Trees

_FORMAT: Final = "aiops combiner 1"
_LARGEST: Final = 10_000_000  # bytes; one of 450 trees has 120 000
_KINDS: Final = {
    "roots": np.int32,
    "feature": np.int32,
    "threshold": np.float64,
    "missing_left": np.bool_,
    "left": np.int32,
    "right": np.int32,
    "leaves": np.float64,
}


def write_combiner(combiner: Combiner, path: Path) -> None:
    """Write the file, whole or not at all; the same combiner gives the same bytes.

    Raises:
        ConfigError: If it cannot be written.
    """
    body: dict[str, Any] = {
        "format": _FORMAT,
        "features": list(NAMES),
        "trees": {name: getattr(combiner.trees, name).tolist() for name in _KINDS},
        "knots": combiner.knots.tolist(),
        "decades": combiner.decades.tolist(),
        "about": {name: float(value) for name, value in combiner.about.items()},
    }
    with whole_file(path) as file:
        file.write(json.dumps(body | {"sha256": _digest(body)}).encode() + b"\n")


def read_combiner(path: Path) -> Combiner:
    """Read what ``write_combiner`` wrote.

    Raises:
        ConfigError: If the file cannot be read, is not what was written, or belongs to another version of the detector.
    """
    try:
        if path.stat().st_size > _LARGEST:
            raise DataError(f"it has more than {_LARGEST:,} bytes")
        body = json.loads(path.read_bytes())
        if not isinstance(body, dict) or body.get("format") != _FORMAT:
            raise DataError(f"it does not say that its format is {_FORMAT!r}")
        if body.pop("sha256", None) != _digest(body):
            raise DataError("its content does not have the SHA-256 that it names: it was changed or cut")
        if body["features"] != list(NAMES):
            raise DataError("it was trained for another version of the detector")
        trees = Trees(**{name: _numbers(body["trees"][name], kind) for name, kind in _KINDS.items()})
        about = {str(name): float(value) for name, value in body["about"].items()}
        knots, decades = (_numbers(body[name], np.float64) for name in ("knots", "decades"))
        return Combiner(trees=trees, knots=knots, decades=decades, about=about)
    except OSError as error:
        raise ConfigError(f"the combiner {path} cannot be read: {error.strerror}") from error
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError, DataError) as error:
        raise ConfigError(f"{path} is no combiner: {error}; `aiops train-combiner` writes one") from error


def _numbers(found: list[Any], kind: type[np.generic]) -> Any:
    """Return an array of a kind that holds these numbers exactly; JSON's NaN is no number."""
    try:
        if not all(isinstance(each, int | float) and math.isfinite(each) for each in found):
            raise DataError("a list holds something else than finite numbers")
        made = np.array(found, dtype=kind)
    except OverflowError:
        raise DataError(f"a list holds a number that is no {kind.__name__}") from None
    if made.tolist() != found:
        raise DataError(f"a list holds a number that is no {kind.__name__}")
    return made


def _digest(body: dict[str, Any]) -> str:
    return hashlib.sha256(json.dumps(body, sort_keys=True).encode()).hexdigest()
