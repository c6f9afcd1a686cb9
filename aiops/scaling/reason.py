"""Why a scaling decision is what it is: one word for conditions, Events, metrics, logs and reports.

Where the Horizontal Pod Autoscaler has a word for the same thing, it is the same word.
"""

from __future__ import annotations

from enum import StrEnum


class Reason(StrEnum):
    """One word a decision; ``ScalingDecision.message`` says it with the numbers."""

    DESIRED_WITHIN_RANGE = "DesiredWithinRange"
    """What demand needs, unchanged by any limit."""
    TOO_FEW_REPLICAS = "TooFewReplicas"
    """Demand needs fewer than ``bounds.minReplicas``, or fewer than that are there."""
    TOO_MANY_REPLICAS = "TooManyReplicas"
    """Demand needs more than ``bounds.maxReplicas``, or more than that are there."""
    SCALE_UP_LIMIT = "ScaleUpLimit"
    """Demand needs more than one step up may add."""
    SCALE_DOWN_LIMIT = "ScaleDownLimit"
    """Demand needs fewer than one step down may leave."""
    SCALE_UP_STABILIZED = "ScaleUpStabilized"
    """Less was enough within the stabilization window (only the HPA stabilizes upwards)."""
    SCALE_DOWN_STABILIZED = "ScaleDownStabilized"
    """More was needed within the stabilization window."""
    WITHIN_TOLERANCE = "WithinTolerance"
    """So few are not needed that taking them away is not worth a change."""
    HISTORY_CAP = "HistoryCap"
    """The forecast is beyond what demand ever was at this hour: the cap counts."""
    FORECAST_IMPLAUSIBLE = "ForecastImplausible"
    """Forecasts have been beyond that too often to be believed: present demand counts."""
    FORECAST_MISSING = "ForecastMissing"
    """There is no forecast for the window, or it is not a number: hold."""
    DATA_MISSING = "DataMissing"
    """The present demand is not known: what is there may grow and may not shrink."""
    CLOCK_WENT_BACK = "ClockWentBack"
    """This turn is older than the one before it: hold."""
    SUSPENDED = "Suspended"
    """``spec.suspend`` is set: hold."""
    ON_TRIAL = "OnTrial"
    """An earlier change is still on trial: nothing more is taken away until it is over."""
    NOT_BLAMED = "NotBlamed"
    """An SLO is bad and the change on trial is not the cause: hold."""
    SLO_VIOLATED = "SloViolated"
    """An SLO is bad: what is there may grow and may not shrink."""
    SLO_UNKNOWN = "SloUnknown"
    """An SLO query has no answer: what is there may grow and may not shrink."""
    ROLLED_BACK = "RolledBack"
    """The change on trial did harm: back to the last good number, or to what demand needs now if that is more."""
    COOLING_DOWN = "CoolingDown"
    """A change was taken back lately: what is there may grow and may not shrink."""
    FAILED_GET_METRIC = "FailedGetExternalMetric"
    """The HPA got no metric: it leaves the replicas alone."""
