"""What a combiner keeps of one series: a record of 1.6 kB beside that of the fleet detector; and what it looks at."""

from __future__ import annotations

from typing import Final

import numpy as np

from aiops.detection.fleet_record import RECORD

SAID_A_WEEK: Final = 3.0
"""A combiner is asked of points that the fleet detector calls rarer than so many alerts a week."""

HOURS: Final = 192
"""Hours whose highest and lowest value are kept: a week, and one hour more on both sides."""

NAMES: Final = (
    "rarity",
    "mean of the views",
    *(f"rarity by {view}" for view in ("short", "quarter", "season", "daily", "slow")),
    *(f"distances from {view}" for view in ("short", "quarter", "season", "daily", "slow")),
    "time since it was odd",
    "odd points in a row",
    "rarity of 3 points",
    "rarity of 15 points",
    "rarity of 60 points",
    "beyond yesterday",
    "beyond a week ago",
    "beyond any day of the week",
    "days as far out",
)
FEATURES: Final = len(NAMES)
RISING: Final = (*NAMES[:7], *NAMES[17:20])
"""What makes a point look more like an incident, never less, the larger it is."""

EVIDENCE: Final = np.dtype(
    [
        ("seen", "f8"),
        ("at", "f8"),
        ("last", "f8"),  # value
        ("moves", "f8"),  # mean distance between two values, surprises clipped
        ("odd_at", "f8"),  # when it was last rarer than once in three weeks; 0 for never
        ("hour", "i8"),  # the newest hour that had a point
        ("run", "f4"),
        ("lately", "f4", (3,)),
        ("highest", "f4", (HOURS,)),
        ("lowest", "f4", (HOURS,)),
    ],
    align=True,
)
COMBINED: Final = np.dtype([("fleet", RECORD), ("evidence", EVIDENCE)], align=True)


def evidence(n: int) -> np.ndarray[tuple[int], np.dtype[np.void]]:
    """Return the records of ``n`` series of which nothing is known."""
    found = np.zeros(n, EVIDENCE)
    found["lately"] = -2.5
    found["hour"] = -(2**40)
    found["highest"] = np.nan
    found["lowest"] = np.nan
    return found
