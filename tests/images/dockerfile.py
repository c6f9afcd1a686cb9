"""Reads the Dockerfiles of images/: stages and their instructions."""

import json
import re
from dataclasses import dataclass, field
from pathlib import Path

from tools.bootstrap import ROOT

IMAGES = sorted(path.parent.name for path in (ROOT / "images").glob("*/Dockerfile"))


@dataclass
class Stage:
    """One FROM, and what follows it: (instruction, rest of the line)."""

    base: str
    name: str
    steps: list[tuple[str, str]] = field(default_factory=list)

    def all(self, instruction: str) -> list[str]:
        return [rest for found, rest in self.steps if found == instruction]

    def last(self, instruction: str) -> str:
        return self.all(instruction)[-1]


def read(image: str) -> list[Stage]:
    """Return the stages of an image's Dockerfile."""
    lines = (ROOT / "images" / image / "Dockerfile").read_text().splitlines()
    text = "\n".join(line for line in lines if not line.lstrip().startswith("#"))
    stages: list[Stage] = []
    for line in re.sub(r"\\\n", " ", text).splitlines():
        instruction, _, rest = line.strip().partition(" ")
        if instruction == "FROM":
            base, _, name = rest.partition(" AS ")
            stages.append(Stage(base=base, name=name))
        elif instruction and instruction != "ARG":
            stages[-1].steps.append((instruction, " ".join(rest.split())))
    return stages


def copied(step: str) -> tuple[str | None, list[str], str]:
    """Return of a COPY: the stage it copies from, what, and where to."""
    words = step.split()
    options = [word for word in words if word.startswith("--")]
    origin = next((word.removeprefix("--from=") for word in options if word.startswith("--from=")), None)
    *sources, target = [word for word in words if not word.startswith("--")]
    return origin, sources, target


def exec_form(text: str) -> list[str]:
    """Return ["a", "b"] of ENTRYPOINT ["a", "b"]; a shell would not pass signals on."""
    found = json.loads(text)
    assert isinstance(found, list)
    return found


def sent_to_the_builder(path: Path) -> bool:
    """Whether .dockerignore lets a file or folder of the root through: everything is left out but what it names."""
    patterns = [line for line in (ROOT / ".dockerignore").read_text().splitlines() if line and line[0] != "#"]
    assert patterns[0] == "*"
    return f"!{path.parts[0]}" in patterns
