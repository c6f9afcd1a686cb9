"""The score that is written: covers an incident, and stands out where it says news. Machine code.

Imported when it is first used: Numba is slow to import.
"""

from __future__ import annotations

import math

import numpy as np

from aiops.series import FloatArray
from aiops.series.compiled import machine_code

_LEAST = -2.5  # about what an ordinary minute says
_FADES = 0.04  # how fast the cover of an incident follows its points down; up, it does at once
_RAISED = 1.0
_COVER_ENDS = 0.0  # once a week: the cover alone tells nobody
_REPEATS_END = 0.1
_BENDS_BEFORE = 0.5
_AGAIN_POINTS = 60.0
_NEWS = 0.1


def covered(replayed: FloatArray) -> FloatArray:
    """Return -log10(alerts a week), raised in an incident and held back where it says nothing new, shape ``[n]``.

    **Raised** where the points before were odd: to a tenth of the alerts a week that the views said, fading over about
    25 points. **Held back** where as much was said lately: a point is news if it is a quarter rarer than the last one
    that was, of which each 60 points take a decade. Whoever counts points above a threshold, and not excursions,
    counts few.

    Neither gets further than about once a week, and both bend instead of stopping there: of two such points the odder
    one stays above.

    Args:
        replayed: Of ``FleetDetector.replay``, shape ``[2, n]``; NaN stays NaN.
    """
    found = np.full(replayed.shape[1], np.nan)
    _cover(replayed, found)
    return found


@machine_code
def _bent(rarity: float, end: float) -> float:
    begin = end - _BENDS_BEFORE
    return rarity if rarity <= begin else end - _BENDS_BEFORE * math.exp((begin - rarity) / _BENDS_BEFORE)


@machine_code
def _cover(replayed: FloatArray, found: FloatArray) -> None:
    lately, said = _LEAST, -math.inf
    for i in range(len(found)):
        if math.isnan(replayed[0, i]):
            continue
        rarity = -math.log10(max(replayed[0, i], 1e-300))
        views = replayed[1, i]
        lately = max(views, lately + _FADES * (views - lately))
        said -= 1.0 / _AGAIN_POINTS
        if rarity > said + _NEWS:
            said = rarity
        else:
            rarity = _bent(rarity, _REPEATS_END)
        found[i] = max(rarity, _bent(lately + _RAISED, _COVER_ENDS))
