"""Reads a ScalingPolicy from YAML; what is wrong is said with its line, its key and what to write instead."""

from __future__ import annotations

import difflib
from collections.abc import Mapping, Sequence
from typing import Any

import yaml
from pydantic import BaseModel, ValidationError

from aiops.errors import ConfigError
from aiops.scaling.policy import ScalingPolicy

_Path = tuple[str | int, ...]


def load_policy(text: str, name: str = "policy") -> ScalingPolicy:
    """Read a policy: a bare ``spec``, or a whole PredictiveScaler with ``kind`` and ``spec``.

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
    inside: _Path = ()
    if isinstance(found, Mapping) and "kind" in found:
        if found["kind"] != "PredictiveScaler":
            raise ConfigError(f"{name}: kind is {found['kind']!r}, and only PredictiveScaler is a scaling policy")
        found, inside = found.get("spec"), ("spec",)
    return policy_from(found, name, lines=lines, inside=inside)


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
    if not isinstance(spec, Mapping):
        got = "nothing" if spec is None else type(spec).__name__
        raise ConfigError(
            f"{name}: a policy is a mapping with bounds and load, got {got}: "
            "write at least 'bounds: {maxReplicas: 40}' and 'load: {capacityPerReplica: 50}'"
        )
    try:
        return ScalingPolicy.model_validate(spec)
    except ValidationError as error:
        problems = [_explain(name, each, lines or {}, inside) for each in error.errors()]
        raise ConfigError("\n".join(problems)) from error


def _explain(name: str, problem: Any, lines: Mapping[_Path, int], inside: _Path) -> str:
    path: _Path = tuple(problem["loc"])
    line = next((lines[inside + path[:n]] for n in range(len(path), -1, -1) if inside + path[:n] in lines), None)
    where = f"{name}:{line}" if line else name
    key = ".".join(str(part) for part in path) or "the policy"
    match problem["type"]:
        case "extra_forbidden":
            known = _known_keys(path[:-1])
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


def _known_keys(path: Sequence[str | int]) -> list[str]:
    model: type[BaseModel] = ScalingPolicy
    for part in path:
        field = next(field for name, field in model.model_fields.items() if part in (name, field.alias))
        if not (isinstance(field.annotation, type) and issubclass(field.annotation, BaseModel)):
            return []
        model = field.annotation
    return [field.alias or name for name, field in model.model_fields.items()]


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
    return found
