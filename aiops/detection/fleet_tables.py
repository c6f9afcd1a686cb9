"""How often did a series look so odd: the fleet detector's tables of events, in machine code.

Imported when it is first used: Numba is slow to import. A rate is "alerts a week that a threshold here would give".
"""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import numpy as np

from aiops.detection.fleet_record import BINS
from aiops.series import FloatArray
from aiops.series.compiled import machine_code

BINS_A_DECADE = 9.0
LOWEST = -1.5  # log10 of the smallest multiple that is told from none
LITTLE = 0.1  # what an odd event teaches, of what another one does
FORGET_A_DAY = 0.98
NOT_ODD = 1e9  # rate of a view that has no opinion
_RAREST = 60.0
_DECADES = math.log10(2.0)  # of one doubling: the C library's log2 takes a third of its log10
_REFIT_EVERY = 8


class Tail(NamedTuple):
    """How the tail of a table is fitted.

    Attributes:
        events: Events in it at least.
        share: And at least this share of all of them.
        prior: Events that the prior of its spread is worth.
        spread: Prior of its mean reach, in bins.
        least: Least spread, in bins.
        odd: An event that is rarer than one in so many points teaches little.
    """

    events: float
    share: float
    prior: float
    spread: float
    least: float
    odd: float


OF_VIEWS = Tail(8.0, 0.1, 10.0, 3.4, 0.85, 300.0)
OF_JOINT = Tail(4.0, 0.05, 20.0, 3.9, 0.85, 7000.0)


@machine_code
def bin_of(multiple: float) -> float:
    """Return where a multiple of the usual distance lies among the bins; beyond the last, more says nothing more."""
    if multiple <= 0.0316:
        return 0.0
    return min((math.log2(multiple) * _DECADES - LOWEST) * BINS_A_DECADE, float(BINS))


@machine_code
def joint_bin_of(rate: float) -> float:
    """Return where a rate lies among the bins of the joint table."""
    return (min(max(-math.log2(rate) * _DECADES, LOWEST), _RAREST) - LOWEST) * BINS_A_DECADE


@machine_code
def rate_of(cell: Any, table: int, place: float, points_a_week: float) -> float:
    """Return how many alerts a week a threshold at this place would give."""
    week = points_a_week / cell["total"][table]
    cut = cell["cut"][table]
    if place > cut:
        return float(cell["beyond"][table] * week * math.exp((cut - place) / cell["spread"][table]))
    place = max(place, float(cell["peak"][table]))
    low = int(place)
    share = place - low
    events = cell["events"][table]
    found = events[low] * (1.0 - share) + (events[low + 1] * share if low + 1 < BINS else 0.0)
    return float(max(found, 1e-9) * week)


@machine_code
def place_of(cell: Any, table: int, rate: float, points_a_week: float) -> float:
    """Return where the rate falls below ``rate``: the inverse of ``rate_of``; may lie beyond the bins."""
    events = cell["events"][table]
    wanted = rate * cell["total"][table] / points_a_week
    cut, peak = int(cell["cut"][table]), int(cell["peak"][table])
    if wanted < cell["beyond"][table]:
        return float(cut + cell["spread"][table] * math.log(cell["beyond"][table] / wanted))
    b = cut
    while b >= peak and events[b] < wanted:
        b -= 1
    if b < peak:
        return 0.0
    after = events[b + 1] if b + 1 < BINS else 0.0
    return float(min(b + (events[b] - wanted) / max(events[b] - after, 1e-12), float(cut)))


@machine_code
def share_of(rate: float, points_a_week: float, window: float) -> float:
    """Return the share of points that are at least so odd.

    An event is followed by ``window`` points in which no other is counted: if each point were an exceedance with
    probability p by itself, events would come every window + 1 / p points.
    """
    events_a_point = min(rate / points_a_week, 1.0 / window)
    free = 1.0 - events_a_point * window
    return events_a_point / free if events_a_point < free else 1.0


@machine_code
def refit(cell: Any, table: int, tail: Tail) -> None:
    """Find where the tail starts, how much is beyond, and how far it reaches (Hill's estimator, with a prior)."""
    events = cell["events"][table]
    need = tail.events + tail.share * events[0]
    cut, excess = BINS - 1, 0.0
    while cut > 0 and events[cut] < need:
        excess += events[cut]
        cut -= 1
    peak = cut
    for b in range(cut - 1, -1, -1):
        if events[b] >= events[peak]:
            peak = b
    beyond = max(events[cut], 1e-9)
    cell["peak"][table] = peak
    cell["cut"][table] = cut
    cell["beyond"][table] = beyond
    spread = (excess + 0.5 * beyond + tail.prior * tail.spread) / (beyond + tail.prior)
    cell["spread"][table] = max(spread, tail.least)


@machine_code
def count(cell: Any, table: int, place: float, rare: bool, window: float, tail: Tail) -> None:
    """Count an event for every bin that is exceeded now and was not for a while: alerts, not points, are counted."""
    cell["total"][table] += 1
    own = int(min(place, BINS - 1.0))
    top = int(cell["top"][table])
    over = cell["seen"] - cell["top_seen"][table] >= window
    if own > top or over:
        events = cell["events"][table]
        weight = np.float32(LITTLE if rare else 1.0)
        for b in range(0 if over else top + 1, own + 1):
            events[b] += weight
        cell["top"][table] = own
        cell["top_seen"][table] = cell["seen"]
        cell["counted"][table] = (cell["counted"][table] + 1) % _REFIT_EVERY
        if own >= cell["cut"][table] or cell["counted"][table] == 1:
            refit(cell, table, tail)


@machine_code
def open_joint(cell: Any, table: int, points_a_week: float, window: float) -> None:
    """Let the joint table start with what it would be if rates were right: one week of it."""
    cell["total"][table] = points_a_week
    for b in range(BINS):
        cell["events"][table][b] = min(10.0 ** -(LOWEST + b / BINS_A_DECADE), points_a_week / window)
    refit(cell, table, OF_JOINT)


@machine_code
def fade(cell: Any, tables: int) -> None:
    """Let what was counted fade, once a day."""
    kept = np.float32(FORGET_A_DAY)
    for table in range(tables):
        cell["total"][table] *= kept
        cell["beyond"][table] *= kept
        events = cell["events"][table]
        for b in range(BINS):
            events[b] *= kept


def prior(points: float) -> FloatArray:
    """Return the events, shape ``[BINS]``, of so many points whose distances have a tail like 1 / multiple cubed."""
    multiples = 10.0 ** (LOWEST + np.arange(BINS) / BINS_A_DECADE)
    events: FloatArray = points / (1.0 + (multiples / 2.0) ** 3)
    return events
