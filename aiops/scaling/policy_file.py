"""Reads a ScalingPolicy from YAML; what is wrong is said with its line, its key and what to write instead."""

from __future__ import annotations

import difflib
from collections.abc import Mapping, Sequence
from typing import Any, TypeGuard, TypeVar, get_args

import yaml
from pydantic import BaseModel, ValidationError

from aiops.errors import ConfigError
from aiops.scaling.policy import ScalingPolicy
from aiops.scaling.resource import API_VERSION, KIND, PredictiveScalerSpec

_Path = tuple[str | int, ...]
_Policy = TypeVar("_Policy", bound=ScalingPolicy)


def load_policy(text: str, name: str = "policy") -> ScalingPolicy:
    """Read a policy: a bare ``spec`` with what a decision depends on, or a whole PredictiveScaler.

    A whole one has ``kind`` and ``spec`` and gives a ``PredictiveScalerSpec``; a ``spec`` with a ``target``, too.

    Args:
        text: YAML.
        name: What to call it in errors; a file name.

    Raises:
        ConfigError: If it is not YAML, or not a policy; one line for each thing that is wrong.
    """
    try:
        found = yaml.safe_load(text)
        lines = _lines(yaml.compose(text, Loader=yaml.SafeLoader), name)
    except RecursionError:
        raise ConfigError(f"{name}: not a policy: it is nested without end, or an alias holds itself") from None
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        where = f"{name}:{mark.line + 1}" if mark is not None else name
        problem = getattr(error, "problem", None) or str(error)
        raise ConfigError(f"{where}: not YAML: {problem}") from error
    if not isinstance(found, Mapping):
        return policy_from(found, name, lines=lines)
    if "kind" not in found:
        return (spec_from if "target" in found else policy_from)(found, name, lines=lines)
    if found["kind"] != KIND:
        raise ConfigError(f"{name}: kind is {found['kind']!r}, and only {KIND} is a scaling policy")
    if found.get("apiVersion") != API_VERSION:
        raise ConfigError(f"{name}: apiVersion is {found.get('apiVersion')!r}: write {API_VERSION}")
    return spec_from(found.get("spec"), name, lines=lines, inside=("spec",))


def policy_from(
    spec: object, name: str = "policy", *, lines: Mapping[_Path, int] | None = None, inside: _Path = ()
) -> ScalingPolicy:
    """Build a policy from plain data.

    Args:
        spec: What YAML or JSON gave.
        name: What to call it in errors.
        lines: Line of each key path, counted from 1, if it was read from text.
        inside: Path of ``spec`` within that text.

    Raises:
        ConfigError: If it is not a policy; one line for each thing that is wrong.
    """
    return _build(ScalingPolicy, spec, name, lines or {}, inside)


def spec_from(
    spec: object, name: str = "policy", *, lines: Mapping[_Path, int] | None = None, inside: _Path = ()
) -> PredictiveScalerSpec:
    """Build the whole ``spec`` of a PredictiveScaler from plain data; arguments and errors as for ``policy_from``."""
    return _build(PredictiveScalerSpec, spec, name, lines or {}, inside)


def _build(model: type[_Policy], spec: object, name: str, lines: Mapping[_Path, int], inside: _Path) -> _Policy:
    if not isinstance(spec, Mapping):
        got = "nothing" if spec is None else type(spec).__name__
        raise ConfigError(
            f"{name}: a policy is a mapping with bounds and load, got {got}: "
            "write at least 'bounds: {maxReplicas: 40}' and 'load: {capacityPerReplica: 50}'"
        )
    try:
        return model.model_validate(spec)
    except ValidationError as error:
        problems = [_explain(model, name, each, lines, inside) for each in error.errors()]
        raise ConfigError("\n".join(problems)) from error


def _explain(model: type[BaseModel], name: str, problem: Any, lines: Mapping[_Path, int], inside: _Path) -> str:
    path: _Path = tuple(problem["loc"])
    line = next((lines[inside + path[:n]] for n in range(len(path), -1, -1) if inside + path[:n] in lines), None)
    where = f"{name}:{line}" if line else name
    key = ".".join(str(part) for part in path) or "the policy"
    match problem["type"]:
        case "extra_forbidden":
            known = _known_keys(model, path[:-1])
            close = difflib.get_close_matches(str(path[-1]), known, n=1, cutoff=0.5)
            hint = f"did you mean {close[0]}?" if close else f"known here: {', '.join(known)}"
            return f"{where}: {key} is not a key: {hint}"
        case "missing":
            return f"{where}: {key} is missing: write it, there is no sensible default"
        case "enum":
            return f"{where}: {key} is {problem['input']!r}: write one of {problem['ctx']['expected']}"
    said = problem["msg"].removeprefix("Value error, ")
    said = said[0].lower() + said[1:]
    given = "" if isinstance(problem["input"], Mapping | BaseModel) else f" is {problem['input']!r}"
    return f"{where}: {key}{given}: {said}"


def _known_keys(model: type[BaseModel], path: Sequence[str | int]) -> list[str]:
    for part in path:
        if isinstance(part, int):  # an item of a list: the model is that of the list
            continue
        field = next(field for name, field in model.model_fields.items() if part in (name, field.alias))
        inside = [each for each in (field.annotation, *get_args(field.annotation)) if _is_model(each)]
        if not inside:
            return []
        model = inside[0]
    return [field.alias or name for name, field in model.model_fields.items()]


def _is_model(kind: object) -> TypeGuard[type[BaseModel]]:
    return isinstance(kind, type) and issubclass(kind, BaseModel)


def _lines(node: yaml.Node | None, name: str, path: _Path = ()) -> dict[_Path, int]:
    """Return the line of every key of a document, counted from 1.

    Raises:
        ConfigError: If a key is there twice: YAML forbids that, and PyYAML quietly takes the last.
    """
    found: dict[_Path, int] = {}
    if isinstance(node, yaml.MappingNode):
        for key, value in node.value:
            here = (*path, str(key.value))
            line = key.start_mark.line + 1
            if here in found:
                said = ".".join(map(str, here))
                raise ConfigError(f"{name}:{line}: {said} is here and in line {found[here]}: keep one of them")
            found[here] = line
            found |= _lines(value, name, here)
    elif isinstance(node, yaml.SequenceNode):
        for index, item in enumerate(node.value):
            found[(*path, index)] = item.start_mark.line + 1
            found |= _lines(item, name, (*path, index))
    return found
