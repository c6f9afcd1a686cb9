"""Policies and scenarios in files: read, checked, played."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta
from pathlib import Path
from typing import NamedTuple

from aiops.documents.reading import Document
from aiops.errors import ConfigError
from aiops.forecasting.catalog import window_forecaster
from aiops.scaling.advice import advise
from aiops.scaling.policy import ScalingPolicy
from aiops.scaling.policy_file import policy_document, policy_in, spec_in
from aiops.scaling.scenario import load_scenario, play

_SUFFIXES = (".yaml", ".yml")


class Finding(NamedTuple):
    """What a check has to say.

    Attributes:
        where: File, and line where there is one.
        verdict: ``ok``, ``warning`` or ``error``.
        says: What is so, and what to do.
    """

    where: str
    verdict: str
    says: str


class Read(NamedTuple):
    """A policy, and the lines that it was read from."""

    policy: ScalingPolicy
    spec: Document


def read_policies(paths: Sequence[Path]) -> dict[str, ScalingPolicy]:
    """Read policies by the names of their files without suffix; a folder stands for its YAML files.

    Raises:
        ConfigError: If one cannot be read or is wrong (all that are wrong are named), or two share a name.
    """
    found: dict[str, ScalingPolicy] = {}
    wrong: list[str] = []
    files = yaml_files(paths)
    for path in files:
        try:
            found[path.stem] = read_policy(path).policy
        except ConfigError as error:
            wrong.append(str(error))
    if wrong:
        raise ConfigError("\n".join(wrong))
    if len(found) < len(files):
        raise ConfigError("two policies share a file name, and tables could not tell them apart: rename one")
    return found


def read_policy(path: Path) -> Read:
    """Read one policy; its forecaster has to be in the catalog.

    Raises:
        ConfigError: If it cannot be read, or is wrong.
    """
    document = policy_document(_text(path, "policy"), str(path))
    policy, spec = policy_in(document), spec_in(document)
    try:
        window_forecaster(policy.forecast.model)
    except ConfigError as error:
        raise ConfigError(f"{spec.where(('forecast', 'model'))}: forecast.model: {error}") from error
    return Read(policy, spec)


def check_policies(paths: Sequence[Path], startup_delay: timedelta, now: datetime) -> Iterator[Finding]:
    """Yield what is wrong or risky in each file; one ``ok`` for a file without either."""
    for path in yaml_files(paths):
        try:
            policy, spec = read_policy(path)
        except ConfigError as error:
            yield from _errors(str(path), error)
            continue
        advice = [
            Finding(spec.where(key), "warning", f"{'.'.join(map(str, key))}: {says}")
            for key, says in advise(policy, startup_delay, now)
        ]
        yield from advice or [Finding(str(path), "ok", f"a policy in mode {policy.mode}, level {policy.level:.4g}")]


def check_scenarios(paths: Sequence[Path], policies: Sequence[Path]) -> Iterator[Finding]:
    """Play each scenario, those without a policy of their own under every policy that is given.

    Yields:
        One error for each turn that went another way; one ``ok`` for a scenario that went as told.
    """
    for path in yaml_files(paths):
        try:
            scenario = load_scenario(_text(path, "scenario"), str(path))
            given = [None] if scenario.policy is not None else [read_policy(each) for each in yaml_files(policies)]
            for read in given or [None]:
                under = "" if read is None else f" under {read.spec.name}"
                departures = list(play(scenario, None if read is None else read.policy))
                for each in departures:
                    says = f"turn {each.turn}{under}: {', '.join(each.differences)}; decided: {each.message}"
                    yield Finding(each.where, "error", says)
                if not departures:
                    yield Finding(str(path), "ok", f"{scenario.told.story}{under}")
        except ConfigError as error:
            yield from _errors(str(path), error)


def yaml_files(paths: Sequence[Path]) -> list[Path]:
    """Return the files that are meant: each path itself, or the YAML files in a folder, by name.

    Raises:
        ConfigError: If a folder holds none.
    """
    found: list[Path] = []
    for path in paths:
        inside = sorted(each for each in path.iterdir() if each.suffix in _SUFFIXES) if path.is_dir() else [path]
        if not inside:
            raise ConfigError(f"{path} holds no file that ends with .yaml or .yml: name another folder, or a file")
        found += inside
    return found


def _errors(name: str, error: ConfigError) -> Iterator[Finding]:
    for line in str(error).splitlines():
        where, divider, says = line.partition(": ")
        located = divider and where.startswith(name)
        yield Finding(where if located else name, "error", says if located else line)


def _text(path: Path, what: str) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"cannot read the {what} {path}: {error}") from error
