"""How far ahead a decision has to see, learnt from how long the workload's own pods took to be ready."""

from __future__ import annotations

import math
from collections.abc import Sequence
from datetime import timedelta
from typing import Final, NamedTuple

from aiops.series.duration import duration_text

HPA_SYNC: Final = timedelta(seconds=15)
_MINUTE: Final = timedelta(minutes=1)
_NEWEST: Final = 20
_FEWEST: Final = 3
_SHARE: Final = 0.9
_NO_START: Final = timedelta(minutes=30)  # it was ready before, and became ready again
_LONGEST: Final = timedelta(minutes=15)


class LeadTime(NamedTuple):
    """What was learnt.

    Attributes:
        window: What one decision has to cover; None if too little is known.
        says: Why, in words.
    """

    window: timedelta | None
    says: str


def learnt(startups: Sequence[timedelta], interval: timedelta) -> LeadTime:
    """Return the window for start-ups as they were seen.

    It is what nine in ten of the 20 newest pods took at the most, within 15 minutes, and the interval and one sync of
    the HPA, in whole minutes: a window that follows every second would have a model trained anew for each.

    Args:
        startups: From creation to ready of pods of the workload, newest first; any number.
        interval: From one decision to the next.
    """
    seen = [each for each in startups if timedelta() <= each <= _NO_START][:_NEWEST]
    if len(seen) < _FEWEST:
        return LeadTime(None, f"the start of {len(seen)} pods was seen, and {_FEWEST} are needed to learn from")
    slow = sorted(seen)[math.ceil(_SHARE * len(seen)) - 1]
    window = math.ceil((min(slow, _LONGEST) + interval + HPA_SYNC) / _MINUTE) * _MINUTE
    return LeadTime(window, f"nine in ten of {len(seen)} pods were ready within {duration_text(slow)}")
