"""Stories for the scaling loop that people write in YAML: a policy, what is seen turn by turn, what must be decided.

``tests/scenarios/README.md`` says what the keys mean.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Final

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field
from pydantic.alias_generators import to_camel

from aiops.documents.fields import PositiveDuration
from aiops.documents.reading import Document, checked, read_documents
from aiops.errors import ConfigError
from aiops.scaling.decide import ScalingDecision
from aiops.scaling.guard import GuardEvent
from aiops.scaling.loop import step
from aiops.scaling.policy import Mode, ScalingPolicy
from aiops.scaling.policy_file import policy_in
from aiops.scaling.reason import Reason
from aiops.scaling.state import Observation, Phase, ScalingState

_START: Final = datetime(2026, 1, 5, tzinfo=UTC)
_DEMAND_SHARE: Final = 0.9  # of what is forecast, where nothing is told of demand
_DEMAND: Final[float | None] = 1.0  # before anything is forecast
_KEPT: Final = ("replicas", "ceiling")  # left out: as in the turn before


class _Told(BaseModel):
    """As ``Part``, but null is a value: no demand is not the same as demand of which nothing is said."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, alias_generator=to_camel)


class _Turn(_Told):
    current: int | None = Field(None, ge=0)
    replicas: int | None = Field(None, ge=0)
    ready: int | None = Field(None, ge=0)
    demand: float | None = None
    ceiling: int | None = Field(None, ge=0)
    peak_demand: float | None
    later_demand: float | None = None
    slos: dict[str, float | None] = {}
    after: PositiveDuration | None = None
    times: int = Field(1, ge=1, le=100_000)
    desired: int
    reason: Reason = Field(strict=False)
    phase: Phase | None = Field(None, strict=False)
    mode: Mode | None = Field(None, strict=False)
    event: GuardEvent | None = Field(None, strict=False)
    says: str = ""


class _Story(_Told):
    story: str
    policy: object = None
    start: AwareDatetime = Field(_START, strict=False)
    every: PositiveDuration = timedelta(minutes=1)
    baseline: int | None = None
    turns: tuple[_Turn, ...] = Field(strict=False, min_length=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Scenario:
    """A story that can be played.

    Attributes:
        name: What to call it in messages; a file name.
        policy: The story's own; None if it is told of any policy.
        told: What was written.
        document: Where it was written.
    """

    name: str
    policy: ScalingPolicy | None
    told: _Story = field(repr=False)
    document: Document = field(repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Departure:
    """A turn that went another way than was told.

    Attributes:
        where: File and line of the turn.
        turn: Its number, from 1.
        at: The instant that was played.
        differences: What differs, in words.
        message: The decision's own.
    """

    where: str
    turn: int
    at: datetime
    differences: tuple[str, ...]
    message: str

    def __str__(self) -> str:
        return f"{self.where}: turn {self.turn}: {', '.join(self.differences)}; decided: {self.message}"


def is_scenario(document: Document) -> bool:
    """Return whether a document tells a story; a policy has no turns."""
    return isinstance(document.content, Mapping) and "turns" in document.content


def load_scenario(text: str, name: str = "scenario") -> Scenario:
    """Read a scenario.

    Args:
        text: YAML.
        name: What to call it in errors; a file name.

    Raises:
        ConfigError: If it is not YAML, not one scenario, or its policy is none; one line for each thing that is wrong.
    """
    documents = read_documents(text, name)
    if len(documents) != 1 or not is_scenario(documents[0]):
        raise ConfigError(f"{name}: a scenario is one mapping with story, policy and turns")
    (document,) = documents
    told = checked(_Story, document, "the scenario")
    policy = None if told.policy is None else policy_in(document.part("policy"))
    return Scenario(name=name, policy=policy, told=told, document=document)


def play(scenario: Scenario, policy: ScalingPolicy | None = None) -> Iterator[Departure]:
    """Play a story and yield every turn that went another way than was told.

    A turn with ``times`` that departs more than once is yielded once. What was decided is there at the next turn, as it
    would be, and not what was told.

    Args:
        scenario: The story.
        policy: What decides where the story has no policy of its own.

    Raises:
        ConfigError: If there is no policy, or two.
    """
    if (policy is None) == (scenario.policy is None):
        problem = "has no policy of its own: give one" if policy is None else "has a policy of its own: remove it"
        raise ConfigError(f"{scenario.document.where(('policy',))}: the story {problem}")
    decides = policy or scenario.policy
    assert decides is not None  # noqa: S101 - one of the two is there, as was just checked
    told = scenario.told
    state, now = ScalingState(baseline=told.baseline), told.start - told.every
    current, demand, kept, readings = 0, _DEMAND, dict[str, int | None](), dict[str, float | None]()
    for index, turn in enumerate(told.turns):
        said = turn.model_fields_set
        kept |= {key: getattr(turn, key) for key in _KEPT if key in said}
        readings = turn.slos if "slos" in said else readings
        current = turn.current if turn.current is not None else current
        demand = (
            turn.demand
            if "demand" in said
            else demand
            if turn.peak_demand is None
            else _DEMAND_SHARE * turn.peak_demand
        )
        later = math.nan if "later_demand" in said and turn.later_demand is None else turn.later_demand
        departed = False
        for _ in range(turn.times):
            now += turn.after or told.every
            observation = Observation(current=current, ready=turn.ready, demand=demand, readings=readings, **kept)
            decision, state = step(state, observation, turn.peak_demand, decides, now, later=later)
            differences = tuple(_differences(turn, decision, state))
            if differences and not departed:
                departed = True
                where = scenario.document.where(("turns", index))
                yield Departure(where=where, turn=index + 1, at=now, differences=differences, message=decision.message)
            current = decision.desired


def _differences(turn: _Turn, decision: ScalingDecision, state: ScalingState) -> Iterator[str]:
    event = decision.guard.event if decision.guard is not None else None
    pairs = (
        ("desired", turn.desired, decision.desired),
        ("reason", turn.reason, decision.reason),
        ("phase", turn.phase, state.phase),
        ("mode", turn.mode, state.effective_mode),
        ("event", turn.event, event),
    )
    for what, told, found in pairs:
        if told != found and (told is not None or what in ("desired", "reason")):
            yield f"{what} is {found} and not {told}"
    if turn.says not in decision.message:
        yield f"the message does not say {turn.says!r}"
