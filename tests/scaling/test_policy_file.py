"""What is wrong with a policy is said with its line, its key and what to write instead."""

import pytest
import yaml
from pydantic import BaseModel

from aiops.errors import ConfigError
from aiops.scaling.policy import Mode
from aiops.scaling.policy_file import load_policy, policy_from, spec_from
from aiops.scaling.resource import PredictiveScalerSpec, Target

SMALLEST = """\
bounds: {maxReplicas: 40}
load: {capacityPerReplica: 50}
"""


def test_the_smallest_policy_and_its_defaults() -> None:
    policy = load_policy(SMALLEST)

    assert policy.mode is Mode.SHADOW
    assert policy.to_spec() == {
        "mode": "Shadow",
        "bounds": {"minReplicas": 1, "maxReplicas": 40, "onMaxBreach": "Honor", "maxBuffer": 0.1},
        "load": {"capacityPerReplica": 50.0, "targetUtilization": 1.0},
        "forecast": {
            "model": "boosted",
            "level": 0.95,
            "window": "4m",
            "leadTime": "Fixed",
            "historyCap": 1.25,
            "staleAfter": "5m",
        },
        "behavior": {
            "scaleUp": {"maxStepReplicas": 4, "maxStepRatio": 1.0},
            "scaleDown": {
                "maxStepReplicas": 1,
                "maxStepRatio": 0.25,
                "stabilizationWindow": "5m",
                "lookAhead": "15m",
                "pause": "0s",
                "tolerance": 0.1,
            },
        },
        "trust": {"proving": "1d", "reactiveUtilization": 0.7},
        "suspend": False,
    }


def test_what_is_written_is_what_is_read() -> None:
    policy = load_policy(SMALLEST + "behavior: {scaleDown: {stabilizationWindow: 1h30m}}")

    assert load_policy(yaml.safe_dump(policy.to_spec())) == policy


WHOLE = """\
apiVersion: aiops.dev/v1alpha1
kind: PredictiveScaler
metadata: {name: shop}
spec:
  target: {name: shop}
  bounds: {maxReplicas: 40}
  load: {capacityPerReplica: 50, query: shop_requests}
  guard:
    slos:
      - name: errors
        query: shop_errors
        threshold: 0.01
"""


def test_a_whole_resource_is_read_with_its_full_spec() -> None:
    spec = load_policy(WHOLE)

    assert isinstance(spec, PredictiveScalerSpec)
    assert spec.target == Target(api_version="apps/v1", kind="Deployment", name="shop")
    assert spec.load.query == "shop_requests"
    assert spec_from(spec.to_spec()) == load_policy(yaml.safe_dump(spec.to_spec())) == spec


@pytest.mark.parametrize(
    ("written", "instead", "said"),
    [
        ("50,", "0,", "p.yaml:7: load.capacityPerReplica is 0: "),
        ("aiops.dev/v1alpha1", "v1", "p.yaml:1: apiVersion is 'v1': write aiops.dev/v1alpha1"),
        ("query: shop_requests", "step: 1m", "p.yaml:7: load.query is missing"),
        ("name: errors", "nmae: errors", "p.yaml:10: guard.slos.0.nmae is not a key: did you mean name?"),
        ("target: {name: shop}", "mode: Floor", "p.yaml:4: target is missing"),
    ],
)
def test_a_mistake_in_a_whole_resource_has_its_line_too(written, instead, said) -> None:
    with pytest.raises(ConfigError) as caught:
        load_policy(WHOLE.replace(written, instead), "p.yaml")

    assert said in str(caught.value).splitlines()[-1]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "p.yaml: a policy is a mapping with bounds and load, got nothing"),
        ("- 1", "p.yaml:1: a policy is a mapping with bounds and load, got list"),
        ("bounds: [", "p.yaml:1: not YAML"),
        ("kind: Deployment", "p.yaml:1: kind is 'Deployment', and only PredictiveScaler"),
        ("load: {capacityPerReplica: 50}", "p.yaml:1: bounds is missing: write it"),
        (SMALLEST + "laod: {}", "p.yaml:3: laod is not a key: did you mean load?"),
        (
            SMALLEST + "zzz: {}",
            "p.yaml:3: zzz is not a key: known here: mode, bounds, load, prices, calendar, forecast, ",
        ),
        (
            SMALLEST + "behavior:\n  scaleDown:\n    stabilisationWindow: 5m",
            "p.yaml:5: behavior.scaleDown.stabilisationWindow is not a key: did you mean stabilizationWindow?",
        ),
        (
            "bounds: {minReplicas: 9, maxReplicas: 4}\nload: {capacityPerReplica: 5}",
            "p.yaml:1: bounds: minReplicas 9 is above maxReplicas 4",
        ),
        ("bounds: {maxReplicas: many}\nload: {capacityPerReplica: 5}", "p.yaml:1: bounds.maxReplicas is 'many'"),
        (
            "bounds: {minReplicas: 0, maxReplicas: 4}\nload: {capacityPerReplica: 5}",
            "p.yaml:1: bounds.minReplicas is 0: input should be greater than or equal to 1",
        ),
        ("bounds: {maxReplicas: yes}\nload: {capacityPerReplica: 5}", "p.yaml:1: bounds.maxReplicas is True"),
        ("bounds: {maxReplicas: '40'}\nload: {capacityPerReplica: 5}", "p.yaml:1: bounds.maxReplicas is '40'"),
        ("bounds: {maxReplicas: 4}\nload: {capacityPerReplica: .nan}", "p.yaml:2: load.capacityPerReplica is nan"),
        (
            SMALLEST + "mode: Shadow\nforecast: {}\nmode: Direct",
            "p.yaml:5: mode is here and in line 3: keep one of them",
        ),
        ("bounds:\n  maxReplicas: 4\n  maxReplicas: 9", "p.yaml:3: bounds.maxReplicas is here and in line 2"),
        (
            "bounds: &own {maxReplicas: *own}",
            "p.yaml: it is nested without end, or an alias holds itself",
        ),
        ("[" * 5000, "p.yaml: it is nested without end"),
        (SMALLEST + "forecast: {level: 95}", "p.yaml:3: forecast.level is 95: input should be less than 1"),
        (SMALLEST + "forecast: {window: 4}", "p.yaml:3: forecast.window is 4: 4 has no unit: write it like 90s"),
        (SMALLEST + "forecast: {window: 0s}", "p.yaml:3: forecast.window is '0s': it has to be longer than 0s"),
        (SMALLEST + "forecast: {window: 4 min}", "p.yaml:3: forecast.window is '4 min': '4 min' is not a length"),
        (
            SMALLEST + "mode: floor",
            "p.yaml:3: mode is 'floor': write one of 'Shadow', 'Recommend', 'Floor' or 'Direct'",
        ),
    ],
)
def test_bad_policies(text: str, said: str) -> None:
    with pytest.raises(ConfigError) as caught:
        load_policy(text, "p.yaml")

    assert str(caught.value).startswith(said)


EVENT = "calendar:\n  timeZone: Europe/Berlin\n  events:\n    - {name: sale, start: 2026-11-27T08:00, end: %s, %s}\n"


@pytest.mark.parametrize(
    ("end", "besides", "said"),
    [
        ("2026-11-27T07:00", "multiplier: 2", "p.yaml:6: calendar.events.0: end is not after start: correct one of"),
        ("2026-11-31T07:00", "multiplier: 2", "p.yaml:6: calendar.events.0.end is '2026-11-31T07:00': write a local"),
        (
            "2026-11-28",
            "multiplier: 2",
            "p.yaml:6: calendar.events.0.end is datetime.date(2026, 11, 28): write a local",
        ),
        ("2026-11-29T08:00", "multiplier: 2, repeat: Daily", "p.yaml:6: calendar.events.0: it is longer than the time"),
        (
            "2028-02-29T08:00",
            "multiplier: 2, repeat: Yearly",
            "p.yaml:6: calendar.events.0: it is longer than the time",
        ),
        ("2027-02-28T08:00", "ramp: 1h", "p.yaml:6: calendar.events.0: it changes nothing: write multiplier,"),
        ("2027-02-28T08:00", "multiplier: 2, ramp: 2d", "p.yaml:6: calendar.events.0: a ramp has at most 24h"),
        ("2027-02-28T08:00", "multiplyer: 2", "p.yaml:6: calendar.events.0.multiplyer is not a key: did you mean mult"),
        ("2027-02-28T08:00", "minReplicas: 41", "p.yaml:1: the policy: an event's minReplicas is above bounds.maxRep"),
        ("2027-02-28T08:00", "minReplicas: 4, repeat: Hourly", "p.yaml:6: calendar.events.0.repeat is 'Hourly': write"),
    ],
)
def test_bad_events(end: str, besides: str, said: str) -> None:
    with pytest.raises(ConfigError) as caught:
        load_policy(SMALLEST + EVENT % (end, besides), "p.yaml")

    assert str(caught.value).startswith(said)


@pytest.mark.parametrize(
    ("zone", "said"),
    [
        ("Europe/Berlim", "'Europe/Berlim': no such time zone: did you mean Europe/Berlin?"),
        ("Europe", "'Europe': no such time zone: "),
        ("../UTC", "'../UTC': write a time zone like Europe/Berlin"),
    ],
)
def test_an_unknown_time_zone(zone: str, said: str) -> None:
    with pytest.raises(ConfigError) as caught:
        load_policy(f"{SMALLEST}calendar: {{timeZone: {zone}}}", "p.yaml")

    assert str(caught.value).startswith(f"p.yaml:3: calendar.timeZone is {said}")


def test_a_calendar_is_written_as_it_is_read() -> None:
    policy = load_policy(SMALLEST + EVENT % ("2026-11-28T00:00", "multiplier: 2, ramp: 1h"))

    assert load_policy(yaml.safe_dump(policy.to_spec())) == policy


def test_every_mistake_is_named_at_once() -> None:
    with pytest.raises(ConfigError) as caught:
        policy_from({"bounds": {"maxReplicas": 0}, "mode": "On"})

    assert len(str(caught.value).splitlines()) == 3


def test_every_field_is_described() -> None:
    def undescribed(model: type[BaseModel]) -> list[str]:
        found = []
        for name, field in model.model_fields.items():
            if not field.description:
                found.append(f"{model.__name__}.{name}")
            if isinstance(field.annotation, type) and issubclass(field.annotation, BaseModel):
                found += undescribed(field.annotation)
        return found

    assert undescribed(PredictiveScalerSpec) == []
