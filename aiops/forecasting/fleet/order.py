"""Medians and sorted insertion, compiled: what the pool is made of."""

from __future__ import annotations

import numpy as np

from aiops.series import FloatArray
from aiops.series.compiled import compiled


@compiled
def insert(value: float, buffer: FloatArray, count: int) -> int:
    """Put ``value`` at its place among the first ``count`` sorted numbers of ``buffer``; return the new count."""
    place = count
    while place > 0 and buffer[place - 1] > value:
        buffer[place] = buffer[place - 1]
        place -= 1
    buffer[place] = value
    return count + 1


@compiled
def insert_day(y: FloatArray, first: int, ordered: FloatArray, count: int, new: FloatArray) -> None:
    """Put ``y[first : first + day]`` at its place among ``count`` sorted days, every slot apart; many slots at once.

    Args:
        y: Observations; what is missing, or before the first, is taken as infinite and so comes last.
        first: Where the day begins; may be negative.
        ordered: Shape ``[more than count, day]``, sorted along the first axis.
        count: Days among ``ordered``.
        new: Room for a day.
    """
    day = ordered.shape[1]
    for s in range(day):
        value = y[first + s] if first + s >= 0 else np.inf
        new[s] = np.inf if np.isnan(value) else value
    for place in range(count):
        row = ordered[place]
        for s in range(day):  # without a branch: eight slots in one instruction
            low, high = row[s], new[s]
            row[s] = low if low < high else high
            new[s] = high if low < high else low
    ordered[count] = new


@compiled
def middle(buffer: FloatArray, count: int) -> float:
    """Return the median of the first ``count`` sorted numbers; NaN if there are none."""
    if count == 0:
        return np.nan
    if count % 2:
        return float(buffer[count // 2])
    return float(0.5 * (buffer[count // 2 - 1] + buffer[count // 2]))


@compiled
def median(buffer: FloatArray, count: int) -> float:
    """Return the median of the first ``count`` numbers in any order (reorders them); NaN if there are none."""
    if count == 0:
        return np.nan
    half = count // 2
    low, high = 0, count - 1
    while low < high:  # Hoare's selection: the half-th smallest moves to its place
        pivot = buffer[(low + high) // 2]
        left, right = low, high
        while left <= right:
            while buffer[left] < pivot:
                left += 1
            while buffer[right] > pivot:
                right -= 1
            if left <= right:
                buffer[left], buffer[right] = buffer[right], buffer[left]
                left += 1
                right -= 1
        if half <= right:
            high = right
        elif half >= left:
            low = left
        else:
            break
    if count % 2:
        return float(buffer[half])
    below = buffer[0]
    for at in range(1, half):
        below = max(below, buffer[at])
    return float(0.5 * (below + buffer[half]))


@compiled
def median_of_last(values: FloatArray, end: int, length: int, stride: int, buffer: FloatArray) -> float:
    """Return the median of every ``stride``-th of the ``length`` values before ``end``; NaN where all are missing."""
    count = 0
    at = end - 1
    while at >= max(end - length, 0):
        if not np.isnan(values[at]):
            buffer[count] = values[at]
            count += 1
        at -= stride
    return float(median(buffer, count))
