"""Verdicts as labels: what a combiner learns from."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

import numpy as np

from aiops.alerting.alert import Alert
from aiops.alerting.feedback import Verdict
from aiops.series import FloatArray, Series

_LABELS: Final = {Verdict.USEFUL: 1.0, Verdict.NOISE: 0.0, Verdict.EXPECTED: np.nan, None: np.nan}


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """An incident that people were told of.

    Attributes:
        alert: Its last state; its annotation ``series`` is the oddest of its series.
        verdict: What somebody said of it; None if nobody did.
        until: Its end; if it is open, when that was said.
    """

    alert: Alert
    verdict: Verdict | None
    until: datetime


def labels_of(series: Series, labels: FloatArray | None, told: Sequence[Told]) -> FloatArray | None:
    """Return the labels ``[n]`` of a series after all verdicts; None if nothing at all is known of it.

    A verdict is about the oddest series of an incident: ``useful`` makes its points an incident (1), ``noise`` ordinary
    (0), and ``expected`` neither (NaN): somebody worked there, which teaches nothing of what is odd. Without labels, a
    series about which anything was told is taken for ordinary where nobody was told, and unknown where nobody answered.

    Args:
        series: Any series.
        labels: What its file says; None without such a column.
        told: In the order in which it was said; the last word counts.
    """
    own = [each for each in told if each.alert.annotations.get("series") == series.key.series_id]
    judged = any(each.verdict is not None for each in own)
    if labels is None and not judged:
        return None
    found = np.zeros(len(series)) if labels is None else labels.copy()
    for each in sorted(own, key=lambda one: one.verdict is not None):
        if each.verdict is None and labels is not None:
            continue
        first = max((each.alert.starts_at - series.start) // series.step, 0)
        last = (each.until - series.start) // series.step
        found[first : max(last + 1, 0)] = _LABELS[each.verdict]
    return found
