"""What the fleet detector keeps of one series: a record of 4 kB."""

from __future__ import annotations

import numpy as np

VIEWS = 6
TABLES = 2 * VIEWS + 1
"""Of each view above and below, and of what they say together."""
BINS = 56
SLOTS = 96  # of a day
VALUES = 36  # bins of the histogram of values; an even number

RECORD = np.dtype(
    [
        ("seen", "f8"),
        ("first", "f8"),  # stamps, and the smallest distance between two of them
        ("at", "f8"),
        ("step", "f8"),
        ("short", "f8"),  # means of the last three, the last 15, and the last three days' points
        ("quarter", "f8"),
        ("slow", "f8"),
        ("level", "f8"),  # what is left beside the time of day
        ("offset", "f8"),  # by how much the forecast has been off
        ("size", "f8"),  # mean absolute value
        ("scale", "f8", (VIEWS,)),
        ("forecast_seen", "f4"),
        ("surprises", "f4"),  # points in a row that were far off
        ("total", "f4", (TABLES,)),  # points
        ("cut", "f4", (TABLES,)),  # where the tail starts, the events beyond, and how far they reach
        ("beyond", "f4", (TABLES,)),
        ("spread", "f4", (TABLES,)),
        ("top_seen", "i4", (TABLES,)),  # when the highest bin of late was reached, and which it is
        ("top", "u1", (TABLES,)),
        ("peak", "u1", (TABLES,)),
        ("counted", "u1", (TABLES,)),
        ("slot_seen", "u1", (SLOTS,)),
        ("slots", "f4", (SLOTS,)),
        ("events", "f4", (TABLES, BINS)),
        ("value_first", "f8"),  # where the histogram of values begins, and the width of its bins
        ("value_width", "f8"),
        ("value_points", "f4"),  # values counted, and those that were new; both fade
        ("new_values", "f4"),
        ("values", "f4", (VALUES,)),
    ],
    align=True,
)
"""All of one series lies together: a point touches a few pages of memory, not one for each figure."""
