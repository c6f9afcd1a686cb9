"""Make or renew the Python environment: python3 -m tools.bootstrap PROFILE.

A profile is a lock file in ``requirements/``. Several profiles may live in one environment: their versions agree,
and nothing is removed. A second run with nothing new to do only compares two short files.
"""

from __future__ import annotations

import argparse
import ctypes.util
import fcntl
import hashlib
import importlib.util
import re
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from tools import apt, steps

ROOT = Path(__file__).resolve().parent.parent
REQUIREMENTS = ROOT / "requirements"
OLDEST_PYTHON = (3, 11)


def main() -> int:
    """Bring the environment up to date; return the exit code."""
    profiles = sorted(path.stem for path in REQUIREMENTS.glob("*.txt") if path.stem not in ("bootstrap", "go"))
    parser = argparse.ArgumentParser(
        prog="python3 -m tools.bootstrap", description="Make or renew .venv from a lock file."
    )
    parser.add_argument("profile", choices=profiles, help="the lock file in requirements/ to install")
    profile: str = parser.parse_args().profile
    if sys.version_info < OLDEST_PYTHON:
        wanted = ".".join(map(str, OLDEST_PYTHON))
        print(f"{sys.executable} is Python {_version()}; aiops needs {wanted} or newer.", file=sys.stderr)
        print("Name another one with: make PYTHON=/path/to/python3 ...", file=sys.stderr)
        return 1
    try:
        with (ROOT / "pyproject.toml").open() as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)  # two runs of make at once: the second waits
            bring_up_to_date(ROOT / ".venv", profile)
    except steps.StepFailedError as error:
        print(f"\nthe Python environment could not be made: {error}", file=sys.stderr)
        return 1
    return 0


def bring_up_to_date(venv: Path, profile: str) -> None:
    """Install ``profile`` into ``venv``, making it first if it is not there.

    Raises:
        StepFailedError: If a Debian package is missing and cannot be installed, or a download fails.
    """
    started = time.monotonic()
    stamp = venv / f"installed-{profile}"
    wanted = _fingerprint(profile)
    if _python(venv).exists() and stamp.exists() and stamp.read_text() == wanted:
        return
    print(f"Python environment .venv, profile {profile}", file=sys.stderr)
    lock = REQUIREMENTS / f"{profile}.txt"
    packages = re.findall(r"^([a-z0-9._-]+)==", lock.read_text(), flags=re.MULTILINE)
    new = not (_python(venv).exists() and (venv / "bin" / "uv").exists())
    _ensure_debian_packages(new, packages)
    if new:
        _create(venv)
    uv: list[str | Path] = [venv / "bin" / "uv", "pip", "install", "--quiet", "--python", _python(venv)]
    steps.run(f"install {len(packages)} packages of requirements/{lock.name}", [*uv, "--require-hashes", "-r", lock])
    steps.run("install aiops itself, editable", [*uv, "--no-deps", "--no-build-isolation", "--editable", ROOT])
    stamp.write_text(wanted)
    print(f"  ready after {time.monotonic() - started:.1f} s", file=sys.stderr)


def _ensure_debian_packages(new: bool, packages: Sequence[str]) -> None:
    """Install what pip cannot: Debian keeps part of Python in a package of its own, and has no compiler's libraries."""
    missing = {}
    if new and importlib.util.find_spec("ensurepip") is None:
        missing["python3-venv"] = f"{sys.executable} cannot make virtual environments (it has no ensurepip)."
    if "lightgbm" in packages and ctypes.util.find_library("gomp") is None:
        missing["libgomp1"] = "LightGBM needs the OpenMP library of GCC."
    if missing:
        apt.install(list(missing), " ".join(missing.values()))


def _create(venv: Path) -> None:
    """Make ``venv`` with pip and, from its own lock file, uv and the build backend."""
    steps.run(f"make it with Python {_version()}", [sys.executable, "-m", "venv", "--clear", venv])
    pip = [_python(venv), "-m", "pip", "--quiet", "--no-input", "--disable-pip-version-check", "install"]
    steps.run("install uv", [*map(str, pip), "--require-hashes", "-r", REQUIREMENTS / "bootstrap.txt"])


def _python(venv: Path) -> Path:
    return venv / "bin" / "python"


def _version() -> str:
    return ".".join(map(str, sys.version_info[:3]))


def _fingerprint(profile: str) -> str:
    """Return what the installed state depends on: the versions, and what ``aiops`` says about itself."""
    files = (REQUIREMENTS / "bootstrap.txt", REQUIREMENTS / f"{profile}.txt", ROOT / "pyproject.toml")
    return hashlib.sha256(b"\0".join(path.read_bytes() for path in files)).hexdigest()


if __name__ == "__main__":
    sys.exit(main())
