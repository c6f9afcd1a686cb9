"""Reads YAML that people wrote; what is wrong is said with its line, its key and what to write instead."""

from __future__ import annotations

import difflib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeGuard, TypeVar, get_args

import yaml
from pydantic import BaseModel, ValidationError

from aiops.errors import ConfigError

Path = tuple[str | int, ...]
"""Where a key is in a document: the keys and list indices that lead to it."""

Model = TypeVar("Model", bound=BaseModel)


@dataclass(frozen=True, slots=True, kw_only=True)
class Document:
    """One YAML document, or a part of one.

    Attributes:
        name: What to call it in errors; a file name.
        content: What YAML says it is.
        lines: Line of each key, counted from 1; empty if it was not read from text.
    """

    name: str
    content: object
    lines: Mapping[Path, int] = field(default_factory=dict)

    def where(self, path: Path) -> str:
        """Return name and line of a key, or of the nearest one around it that is written down."""
        line = next((self.lines[path[:n]] for n in range(len(path), -1, -1) if path[:n] in self.lines), None)
        return f"{self.name}:{line}" if line else self.name

    def part(self, key: str) -> Document:
        """Return what is below a key of a mapping; nothing if the key is not there."""
        content = self.content.get(key) if isinstance(self.content, Mapping) else None
        lines = {path[1:]: line for path, line in self.lines.items() if path[:1] == (key,)}
        return Document(name=self.name, content=content, lines=lines)


def read_documents(text: str, name: str) -> tuple[Document, ...]:
    """Read a file of YAML documents, divided by ``---``; empty ones are left out.

    Raises:
        ConfigError: If it is not YAML, is nested without end, or has a key twice.
    """
    found = []
    loader = yaml.SafeLoader(text)
    try:
        while loader.check_node():
            node = loader.get_node()
            assert node is not None  # noqa: S101 - there is one, as was just checked
            lines = {(): node.start_mark.line + 1} | _lines(node, name)
            content = loader.construct_document(node)
            if content is not None:
                found.append(Document(name=name, content=content, lines=lines))
    except RecursionError:
        raise ConfigError(f"{name}: it is nested without end, or an alias holds itself") from None
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        where = f"{name}:{mark.line + 1}" if mark is not None else name
        problem = getattr(error, "problem", None) or str(error)
        raise ConfigError(f"{where}: not YAML: {problem}") from error
    finally:
        loader.dispose()
    return tuple(found)


def checked(model: type[Model], document: Document, what: str) -> Model:
    """Return a document as a model.

    Args:
        model: What it should be.
        document: What was read.
        what: What to call it where no key is to blame: ``the policy``.

    Raises:
        ConfigError: If it is not; one line for each thing that is wrong.
    """
    try:
        return model.model_validate(document.content)
    except ValidationError as error:
        problems = [_explain(model, document, each, what) for each in error.errors()]
        raise ConfigError("\n".join(problems)) from error


def _explain(model: type[BaseModel], document: Document, problem: Any, what: str) -> str:
    path: Path = tuple(problem["loc"])
    where = document.where(path)
    key = ".".join(str(part) for part in path) or what
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
        case "literal_error":
            return f"{where}: {key} is {problem['input']!r}: write {problem['ctx']['expected']}"
        case "model_type" | "dict_type":
            return f"{where}: {key} is {problem['input']!r}: write keys and values, as in 'key: value'"
        case "list_type" | "tuple_type":
            return f"{where}: {key} is {problem['input']!r}: write a list, as in [{problem['input']}]"
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


def _lines(node: yaml.Node, name: str, path: Path = ()) -> dict[Path, int]:
    """Return the line of every key of a document, counted from 1.

    Raises:
        ConfigError: If a key is there twice: YAML forbids that, and PyYAML quietly takes the last.
    """
    found: dict[Path, int] = {}
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
