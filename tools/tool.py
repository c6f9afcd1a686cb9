"""A real component: what defines it, which programs it brings, and how it gets into its folder."""

from __future__ import annotations

import platform
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from tools import apt


class Tool(Protocol):
    """One entry of the catalog. A new way to obtain programs is a new class with these four members."""

    @property
    def name(self) -> str:
        """Name of the tool, and the start of its folder's name."""
        ...

    @property
    def programs(self) -> dict[str, str]:
        """Program name -> path inside the tool's folder."""
        ...

    def definition(self) -> str:
        """Return everything that decides what ``obtain`` puts into the folder; its hash names the folder."""
        ...

    def obtain(self, into: Path) -> None:
        """Fill the folder ``into``.

        Raises:
            StepFailedError: If it cannot be done; says what to do.
        """
        ...


@dataclass(frozen=True)
class DebianTool:
    """Programs out of one Debian package, unpacked and never installed.

    Attributes:
        name: Name of the tool.
        package: Name of the Debian package.
        version: What the package's version must start with.
        programs: Program name -> path inside the package.
        compiled_in: An absolute folder that the programs would read from, were the package installed. It is made
            relative, in place, so that they look below their working folder instead.
    """

    name: str
    package: str
    version: str
    programs: dict[str, str]
    compiled_in: str | None = None

    def definition(self) -> str:
        """Return the package, the version asked for, and the processor that it is for."""
        return f"debian {self.package} {self.version} {self.compiled_in} {platform.machine()}"

    def obtain(self, into: Path) -> None:
        """Download and unpack the package."""
        apt.unpack(self.package, self.version, into)
        if self.compiled_in is not None:
            for path in self.programs.values():
                _make_relative(into / path, self.compiled_in)


def _make_relative(program: Path, folder: str) -> None:
    """Turn ``/usr/share/x`` inside ``program`` into ``usr//share/x``: as long as before, so that nothing else moves."""
    content = program.read_bytes()
    before = folder.encode()
    after = before.removeprefix(b"/").replace(b"/", b"//", 1)
    program.write_bytes(content.replace(before, after))
