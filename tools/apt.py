"""Debian packages: installed on the machine, or only unpacked into a folder."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Sequence
from pathlib import Path

from tools import steps


def install(packages: Sequence[str], reason: str) -> None:
    """Install packages on this machine; needs root.

    Raises:
        StepFailedError: If we are not root or apt refuses. Names the packages.
    """
    names = " ".join(packages)
    by_hand = (
        f"{reason} Install what is missing, then run make again:\n  sudo apt-get update && sudo apt-get install {names}"
    )
    if shutil.which("apt-get") is None or os.geteuid() != 0:
        raise steps.StepFailedError(by_hand)
    quiet = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    try:
        steps.run("refresh the lists of Debian packages", ["apt-get", "-q", "update"], env=quiet)
        steps.run(
            f"install the Debian packages {names}",
            ["apt-get", "-q", "install", "--yes", "--no-install-recommends", *packages],
            env=quiet,
        )
    except steps.StepFailedError as error:
        raise steps.StepFailedError(f"{error}\n{by_hand}") from error


def unpack(package: str, version: str, into: Path) -> None:
    """Download ``package`` and unpack it below ``into``. Needs no root; installs, configures and starts nothing.

    Args:
        package: Name of a Debian package.
        version: What its version must start with, such as ``"2.42."``.
        into: An existing folder; gets ``usr/`` and whatever else is in the package.

    Raises:
        StepFailedError: If apt is missing, offers no such version, or cannot download it.
    """
    if shutil.which("apt-get") is None:
        raise steps.StepFailedError(
            f"{package} {version}* comes from Debian 12 packages, and this machine has no apt-get"
        )
    with tempfile.TemporaryDirectory(prefix="aiops-apt-") as scratch:
        try:
            deb = _download(package, version, Path(scratch), [])
        except steps.StepFailedError:
            # The machine's lists are missing or too old. Fetch a private copy: that works without root as well.
            deb = _download(package, version, Path(scratch), _private_lists(Path(scratch)))
        steps.run(f"unpack {deb.name}", ["dpkg-deb", "--extract", deb, into])


def _download(package: str, version: str, folder: Path, options: Sequence[str]) -> Path:
    steps.run(
        f"download {package} {version}*",
        ["apt-get", "-q", "-o", "APT::Sandbox::User=root", *options, "download", f"{package}={version}*"],
        cwd=folder,
    )
    found = list(folder.glob(f"{package}_*.deb"))
    if len(found) != 1:
        raise steps.StepFailedError(f"apt-get download {package} left {len(found)} files where one was expected")
    return found[0]


def _private_lists(scratch: Path) -> list[str]:
    (scratch / "lists" / "partial").mkdir(parents=True)
    (scratch / "cache" / "archives" / "partial").mkdir(parents=True)
    options = ["-o", f"Dir::State::lists={scratch / 'lists'}", "-o", f"Dir::Cache={scratch / 'cache'}"]
    steps.run(
        "fetch current lists of Debian packages",
        ["apt-get", "-q", "-o", "APT::Sandbox::User=root", *options, "update"],
    )
    return options
