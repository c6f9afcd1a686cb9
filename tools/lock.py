"""Write the lock files in requirements/ from pyproject.toml: python3 -m tools.lock [--upgrade].

``dev.txt`` is the whole set, solved at once. The others are parts of it, so that any two can share an environment.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from tools import steps
from tools.bootstrap import ROOT

# Lock file -> the extras in it. Each holds the base as well.
PROFILES: dict[str, Sequence[str]] = {
    "base": (),
    "train": ("train",),
    "serve": ("serve",),
    "operator": ("operator",),
    "airflow": ("airflow",),
    "ray": ("ray",),
    "demo": ("train", "serve"),
}


def main() -> int:
    """Write every lock file; return the exit code."""
    parser = argparse.ArgumentParser(prog="python3 -m tools.lock", description="Write the lock files in requirements/.")
    parser.add_argument("--upgrade", action="store_true", help="take the newest allowed versions; else keep what holds")
    newest = ["--upgrade"] if parser.parse_args().upgrade else []
    within = ["--constraint=requirements/dev.txt"]
    try:
        _compile("dev", ["pyproject.toml", "--all-extras", *newest])
        for name, extras in PROFILES.items():
            _compile(name, ["pyproject.toml", *(f"--extra={extra}" for extra in extras), *within])
        _compile("bootstrap", ["requirements/bootstrap.in", *within])
        _compile("go", ["requirements/go.in", *newest])  # not part of any environment: see tools/golang.py
    except steps.StepFailedError as error:
        print(f"\nthe lock files could not be written: {error}", file=sys.stderr)
        return 1
    return 0


def _compile(name: str, asked: Sequence[str]) -> None:
    lock = Path("requirements") / f"{name}.txt"
    form = ["--universal", "--python-version=3.11", "--generate-hashes", "--no-emit-index-url", "--no-emit-find-links"]
    if name != "dev":
        form.append("--no-annotate")  # dev.txt says which package wants which; once is enough
    steps.run(
        f"write {lock}",
        [
            ROOT / ".venv" / "bin" / "uv", "pip", "compile", *asked, *form,
            "--custom-compile-command=make lock", "--quiet", f"--output-file={lock}",
        ],
        cwd=ROOT,
    )  # fmt: skip


if __name__ == "__main__":
    sys.exit(main())
