"""What a service owner writes to have a query watched: an AnomalyMonitor, in a file of YAML documents."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from datetime import timedelta
from typing import Annotated, Final, Literal, Self

from pydantic import Field, field_validator, model_validator

from aiops.alerting.rules import AlertRule
from aiops.detection.catalog import unknown
from aiops.detection.joint import Method, require
from aiops.documents.fields import Duration, Label, Part, PositiveDuration, Query
from aiops.documents.reading import Document, checked, read_documents
from aiops.errors import ConfigError
from aiops.series import SeriesKey

KIND: Final = "AnomalyMonitor"
_OURS: Final = frozenset({"alertname", "severity", "metric", "monitor", "incident"})
_LONGEST: Final = timedelta(days=28)
_MOST_STEPS: Final = 100_000


GROUP_BY: Final = ("service",)
"""Labels of what is one service, if nobody says otherwise."""

_Score = Annotated[float, Field(gt=0, le=1)]
_DEFAULT: Final = AlertRule()


class Rule(Part):
    """When to tell a person: the fields of ``AlertRule``, whose defaults suit steps of one minute."""

    page_score: _Score = _DEFAULT.page_score
    page_after: PositiveDuration = _DEFAULT.page_after
    ticket_score: _Score = _DEFAULT.ticket_score
    ticket_after: PositiveDuration = _DEFAULT.ticket_after
    clear_score: _Score = _DEFAULT.clear_score
    clear_after: PositiveDuration = _DEFAULT.clear_after
    shift_after: PositiveDuration = _DEFAULT.shift_after
    silent_after: PositiveDuration = _DEFAULT.silent_after
    forget_after: PositiveDuration = _DEFAULT.forget_after
    alerts_a_week: Annotated[float, Field(ge=0.01, le=1e6)] = _DEFAULT.alerts_a_week

    @property
    def alert_rule(self) -> AlertRule:
        """Return it as the rules read it."""
        return AlertRule(**dict(self))

    @model_validator(mode="after")
    def _in_order(self) -> Self:
        try:
            _ = self.alert_rule
        except ConfigError as error:
            raise ValueError(str(error)) from None
        return self


class Metadata(Part):
    """Who it is.

    Attributes:
        name: Distinct in the file; a label of every alert.
    """

    name: Label


class Spec(Part):
    """What is watched, and what becomes of it.

    Attributes:
        query: PromQL; each series of its answer is watched by itself.
        step: Grid on which it is read; from one poll to the next.
        history: How much is read at the start, for the detectors to learn from and for forecasts.
        settle: How long after the end of a step its value is asked for: what scrapes and recording rules need.
        rule: When to tell a person.
        runbook: Where people read what to do; empty if nowhere.
        labels: Added to every alert, for routing; they go before labels of the series.
        detectors: Who says how odd a point is, by name in the catalog; of several, the most surprised counts. None:
            the one of the service.
        together: How the metrics of one service are judged together, each service being a series more; None: not.
        group_by: Labels of what is one service: series with the same values that turn odd together are one incident,
            whichever monitor watches them. Those without any of these labels are an incident of the monitor.
    """

    query: Query
    step: PositiveDuration = timedelta(minutes=1)
    history: PositiveDuration = timedelta(days=14)
    settle: Duration = timedelta(seconds=15)
    rule: Rule = Field(default_factory=Rule)
    runbook: str = ""
    labels: dict[str, str] = Field(default_factory=dict)
    group_by: list[Label] = Field(default_factory=lambda: list(GROUP_BY))
    detectors: list[str] = Field(default_factory=list)
    together: Method | None = None

    @field_validator("detectors")
    @classmethod
    def _known(cls, names: list[str]) -> list[str]:
        if wrong := unknown(names):
            raise ValueError(wrong)
        return names

    @field_validator("together")
    @classmethod
    def _installed(cls, method: Method | None) -> Method | None:
        try:
            require(method)
        except ConfigError as error:
            raise ValueError(str(error)) from None
        return method

    @model_validator(mode="after")
    def _fits(self) -> Self:
        if self.step < timedelta(seconds=1):
            raise ValueError("step must be one second at least")
        if not self.step <= self.history <= _LONGEST or self.history // self.step > _MOST_STEPS:
            raise ValueError(
                f"history must be between one step and 28d, and hold {_MOST_STEPS:,} steps at most; "
                f"got {self.history // self.step:,} steps"
            )
        if self.together is not None and not self.group_by:
            raise ValueError("together judges the metrics of one service: groupBy has to say what is one")
        taken = sorted(_OURS & self.labels.keys())
        if taken:
            raise ValueError(f"labels {', '.join(taken)} are given by us: choose another name")
        return self


class AnomalyMonitor(Part):
    """A watched query.

    Attributes:
        metadata: Who it is.
        spec: What is watched.
    """

    api_version: Literal["aiops.dev/v1alpha1"]
    kind: Literal["AnomalyMonitor"]
    metadata: Metadata
    spec: Spec

    @property
    def name(self) -> str:
        """Name in the file, metrics and alerts."""
        return self.metadata.name

    @property
    def alert_labels(self) -> dict[str, str]:
        """Labels that every alert of it has."""
        return {**self.spec.labels, "monitor": self.metadata.name}


def load_monitors(text: str, name: str = "monitors") -> tuple[AnomalyMonitor, ...]:
    """Read a file of AnomalyMonitors, divided by ``---``; an empty file watches nothing.

    Args:
        text: YAML.
        name: What to call it in errors; a file name.

    Raises:
        ConfigError: If a document is not one, or two share a name; one line for each thing that is wrong.
    """
    documents = read_documents(text, name)
    found, wrong = [], []
    for document in documents:
        try:
            found.append(checked(AnomalyMonitor, document, "the monitor"))
        except ConfigError as error:
            wrong.append(str(error))
    counts = Counter(each.name for each in found)
    wrong.extend(_twice(document, counts) for document in documents if _name(document) in counts - Counter(set(counts)))
    if wrong:
        raise ConfigError("\n".join(wrong))
    return tuple(found)


def scope_of(
    key: SeriesKey, labels: tuple[tuple[str, str], ...], group_by: Sequence[str]
) -> tuple[tuple[str, str], ...]:
    """Return what a series belongs to: its service, else its monitor, else all series of its metric.

    Labels for routing go with it, so an incident of two monitors goes to one place.
    """
    given = dict(labels)
    known = dict(key.labels) | given
    service = {label: known[label] for label in group_by if label in known}
    if service:
        given.pop("monitor", None)
    elif "monitor" not in given:
        given["metric"] = key.name
    return tuple(sorted((given | service).items()))


def _name(document: Document) -> str:
    metadata = document.content.get("metadata") if isinstance(document.content, dict) else None
    return str(metadata.get("name", "")) if isinstance(metadata, dict) else ""


def _twice(document: Document, counts: Counter[str]) -> str:
    name = _name(document)
    return f"{document.where(('metadata', 'name'))}: metadata.name {name} is there {counts[name]} times: rename one"
