"""PredictiveScalers that are wrong, each in one way, and some that are right."""

import copy
from dataclasses import dataclass
from typing import Any, Final

SPEC: Final[dict[str, Any]] = {
    "target": {"name": "shop"},
    "bounds": {"maxReplicas": 40},
    "load": {"capacityPerReplica": 50, "query": "sum(rate(http_requests_total[1m]))"},
}
SLO: Final = {"name": "errors", "query": "error_ratio", "threshold": 0.01}
SALE: Final = {"name": "sale", "start": "2026-11-27T08:00", "end": "2026-11-28T00:00", "multiplier": 3}
GONE: Final = object()


def calendar(**changes: Any) -> dict[str, Any]:
    """Return a calendar with one event."""
    return {"events": [{**SALE, **changes}]}


@dataclass(frozen=True, slots=True, kw_only=True)
class Wrong:
    """One mistake.

    Attributes:
        what: It, in words; a row of the documentation.
        at: Path of the key within the spec, with dots.
        value: What is written there; GONE if the key is missing.
        says: Part of what admission has to say; what to write instead.
        besides: What else is in the spec.
    """

    what: str
    at: str
    value: Any
    says: str
    besides: dict[str, Any] | None = None

    def spec(self) -> dict[str, Any]:
        """Return the spec with the mistake."""
        return written({**SPEC, **(self.besides or {})}, self.at, self.value)


def written(spec: dict[str, Any], at: str, value: Any) -> dict[str, Any]:
    """Return a copy of a spec with one key changed."""
    changed = copy.deepcopy(spec)
    *outer, last = at.split(".")
    place = changed
    for key in outer:
        place = place.setdefault(key, {})
    if value is GONE:
        del place[last]
    else:
        place[last] = value
    return changed


WRONG: Final = (
    Wrong(what="no target", at="target", value=GONE, says="target: Required value"),
    Wrong(what="no bounds", at="bounds", value=GONE, says="bounds: Required value"),
    Wrong(what="bounds without a maximum", at="bounds", value={}, says="bounds.maxReplicas: Required value"),
    Wrong(what="a minimum above the maximum", at="bounds.minReplicas", value=50, says="raise the latter"),
    Wrong(what="a minimum of 0", at="bounds.minReplicas", value=0, says="should be greater than or equal to 1"),
    Wrong(what="more than Kubernetes can count", at="bounds.maxReplicas", value=10**10, says="less than or equal to"),
    Wrong(what="a number in quotes", at="bounds.maxReplicas", value="40", says="must be of type integer"),
    Wrong(what="half a replica", at="bounds.maxReplicas", value=4.5, says="must be of type integer"),
    Wrong(what="a replica that serves nothing", at="load.capacityPerReplica", value=0, says="should be greater than 0"),
    Wrong(what="no load query", at="load.query", value=GONE, says="load.query: Required value"),
    Wrong(what="an empty load query", at="load.query", value="", says="write PromQL"),
    Wrong(what="a load query of blanks", at="load.query", value=" \n", says="write PromQL"),
    Wrong(what="utilization in percent", at="load.targetUtilization", value=80, says="less than or equal to 1"),
    Wrong(what="a level in percent", at="forecast.level", value=95, says="should be less than 1"),
    Wrong(what="a level of 0", at="forecast.level", value=0, says="should be greater than 0"),
    Wrong(what="a time without a unit", at="forecast.window", value="4", says="write a length of time like 90s"),
    Wrong(what="a time that is a number", at="forecast.window", value=4, says="must be of type string"),
    Wrong(what="a time with a unit that is none", at="interval", value="30sec", says="write a length of time like 90s"),
    Wrong(what="a time in small units", at="load.history", value="999999999s", says="like 90s, 5m, 1h30m or 28d"),
    Wrong(what="no time at all between decisions", at="interval", value="0s", says="longer than 0s"),
    Wrong(what="an interval as long as the window", at="interval", value="4m", says="has to be longer than interval"),
    Wrong(
        what="forecasts that are stale at once", at="forecast.staleAfter", value="30s", says="shorter than load.step"
    ),
    Wrong(what="a history of one step", at="load.history", value="1m", says="at least two steps"),
    Wrong(
        what="more removed than there is",
        at="behavior.scaleDown.maxStepRatio",
        value=2,
        says="should be less than or equal to 1",
    ),
    Wrong(
        what="a step of 0",
        at="behavior.scaleUp.maxStepReplicas",
        value=0,
        says="should be greater than or equal to 1",
    ),
    Wrong(what="a mode in small letters", at="mode", value="floor", says='"Shadow", "Recommend", "Floor", "Direct"'),
    Wrong(what="Floor without an HPA", at="mode", value="Floor", says="write hpa: {name: ...}"),
    Wrong(
        what="Direct beside an HPA",
        at="mode",
        value="Direct",
        says="delete the HPA and remove hpa, or write mode: Floor",
        besides={"hpa": {"name": "shop"}},
    ),
    Wrong(what="a target's name with a space", at="target.name", value="my shop", says="lower-case letters, digits"),
    Wrong(
        what="a target's kind in small letters", at="target.kind", value="deployment", says="write it like Deployment"
    ),
    Wrong(what="a target's group without version", at="target.apiVersion", value="apps", says="write it like apps/v1"),
    Wrong(what="a guard without SLOs", at="guard", value={}, says="guard.slos: Required value"),
    Wrong(what="a guard with no SLO in its list", at="guard", value={"slos": []}, says="at least 1 items"),
    Wrong(
        what="two SLOs of one name", at="guard", value={"slos": [SLO, SLO]}, says='Duplicate value: {"name":"errors"}'
    ),
    Wrong(
        what="an SLO without a threshold",
        at="guard",
        value={"slos": [{"name": "errors", "query": "error_ratio"}]},
        says="guard.slos[0].threshold: Required value",
    ),
    Wrong(
        what="an SLO's name with a blank",
        at="guard",
        value={"slos": [{**SLO, "name": "Error ratio"}]},
        says="write lower-case letters",
    ),
    Wrong(
        what="an SLO's windows that its query does not use",
        at="guard",
        value={"slos": [{**SLO, "windows": ["5m", "1h"]}]},
        says="where the query says $window",
    ),
    Wrong(
        what="an SLO's query with $window and no windows",
        at="guard",
        value={"slos": [{**SLO, "query": "rate(errors[$window])"}]},
        says="where the query says $window",
    ),
    Wrong(
        what="a reactive utilization in percent",
        at="trust.reactiveUtilization",
        value=70,
        says="should be less than or equal to 1",
    ),
    Wrong(
        what="a trial that is over before it can fail",
        at="guard",
        value={"slos": [SLO], "observe": "1m"},
        says="raise it",
    ),
    Wrong(
        what="a failure limit of 0",
        at="guard",
        value={"slos": [SLO], "failureLimit": 0},
        says="should be greater than or equal to 1",
    ),
    Wrong(
        what="an event that ends before it starts", at="calendar", value=calendar(end="2026-11-27T07:00"), says="end is"
    ),
    Wrong(what="an event on a day that is none", at="calendar", value=calendar(end="2026-11-31T07:00"), says="write a"),
    Wrong(
        what="an event without a time of day", at="calendar", value=calendar(end="2026-11-28"), says="local time like"
    ),
    Wrong(
        what="an event that is longer than a day, daily",
        at="calendar",
        value=calendar(end="2026-11-29T00:00", repeat="Daily"),
        says="shorten it, or repeat it less often",
    ),
    Wrong(
        what="a yearly event on 29 February",
        at="calendar",
        value=calendar(start="2028-02-29T08:00", end="2028-02-29T09:00", repeat="Yearly"),
        says="write 28 February or 1 March",
    ),
    Wrong(
        what="an event that changes nothing",
        at="calendar",
        value={"events": [{key: SALE[key] for key in ("name", "start", "end")}]},
        says="write multiplier, minReplicas or both",
    ),
    Wrong(
        what="an event that wants more than the maximum",
        at="calendar",
        value=calendar(minReplicas=41),
        says="above bounds.maxReplicas: raise the latter",
    ),
    Wrong(what="a ramp of two days", at="calendar", value=calendar(ramp="2d"), says="at most 24h"),
    Wrong(what="two events of one name", at="calendar", value={"events": [SALE, SALE]}, says='{"name":"sale"}'),
    Wrong(what="a time zone with a blank", at="calendar.timeZone", value="Europe Berlin", says="like Europe/Berlin"),
    Wrong(
        what="a blackout that forbids what is not known",
        at="calendar",
        value={"blackouts": [{**{key: SALE[key] for key in ("name", "start", "end")}, "forbids": "ScaleUp"}]},
        says='"ScaleDown", "AnyChange"',
    ),
    Wrong(
        what="replicas for nothing",
        at="prices",
        value={"replicaHour": 0, "unmetRequest": 0.001},
        says="prices.replicaHour",
    ),
    Wrong(what="only one price", at="prices", value={"replicaHour": 0.05}, says="prices.unmetRequest: Required value"),
    Wrong(what="another lead time", at="forecast.leadTime", value="auto", says='"Fixed", "Learnt"'),
    Wrong(what="another breach", at="bounds.onMaxBreach", value="Raise", says='"Honor", "RaiseWithBuffer"'),
    Wrong(what="a buffer in percent", at="bounds.maxBuffer", value=10, says="less than or equal to 1"),
    Wrong(what="a key with a typo", at="laod", value={}, says='unknown field "spec.laod"'),
    Wrong(
        what="a key with a typo, further in",
        at="behavior.scaleDown.stabilisationWindow",
        value="5m",
        says='unknown field "spec.behavior.scaleDown.stabilisationWindow"',
    ),
)

RIGHT: Final = {
    "the least": SPEC,
    "a floor": {**SPEC, "mode": "Floor", "hpa": {"name": "shop"}, "guard": {"slos": [SLO]}},
    "an SLO in two windows": {
        **SPEC,
        "guard": {"slos": [{**SLO, "query": "rate(errors[$window])", "windows": ["5m", "1h"]}], "unlock": "ann"},
    },
    "without an HPA": {**SPEC, "mode": "Direct", "suspend": True},
    "beside an HPA, changing nothing": {**SPEC, "mode": "Recommend", "hpa": {"name": "shop.v2"}},
    "keys whose values are commented out": {**SPEC, "forecast": None, "mode": None, "guard": None, "hpa": None},
    "times of all kinds": {
        **written(SPEC, "load.history", "1w2d"),
        "interval": "1m1s",
        "forecast": {"window": "1h30m", "staleAfter": "90s"},
        "behavior": {"scaleDown": {"stabilizationWindow": "0s"}},
        "guard": {"slos": [SLO], "observe": "1d", "coolDown": "0s"},
    },
    "no limits to a step": {
        **SPEC,
        "behavior": {"scaleUp": {"maxStepRatio": 1000}, "scaleDown": {"maxStepRatio": 1}},
    },
    "a calendar and prices": {
        **written(SPEC, "bounds.onMaxBreach", "RaiseWithBuffer"),
        "prices": {"replicaHour": 0.05, "unmetRequest": 0.0001},
        "calendar": {
            "timeZone": "America/New_York",
            "events": [
                {**SALE, "ramp": "2h"},
                {**SALE, "name": "lunch", "repeat": "Daily", "minReplicas": 40},
                {
                    **SALE,
                    "name": "new-year",
                    "start": "2026-12-31T12:00",
                    "end": "2027-01-01T12:00",
                    "repeat": "Yearly",
                },
            ],
            "blackouts": [
                {"name": "freeze", "start": "2026-12-24T00:00", "end": "2027-01-02T00:00", "forbids": "AnyChange"}
            ],
        },
    },
    "another kind": {**SPEC, "target": {"apiVersion": "argoproj.io/v1alpha1", "kind": "Rollout", "name": "shop"}},
}
