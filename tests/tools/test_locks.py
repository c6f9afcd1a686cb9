"""The lock files say what pyproject.toml says, agree with each other, and name no place to download from."""

import re
import subprocess
import tomllib

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from tools.bootstrap import REQUIREMENTS, ROOT
from tools.lock import PROFILES

PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
EXTRAS = PROJECT["optional-dependencies"]
WHOLE = {**PROFILES, "dev": tuple(EXTRAS)}
PARTS = [*WHOLE, "bootstrap"]
LOCKS = [*PARTS, "go"]  # Go is installed on its own, into no environment
# Spelled in halves, so that this file does not hold them either.
INDEX_HOSTS = ("pypi" + ".org", "python" + "hosted.org")


def entries(name):
    """Package -> its whole line (version and marker), for each requirement of a lock file."""
    found = re.findall(r"^([A-Za-z0-9._-]+)==(.+?) \\$", (REQUIREMENTS / f"{name}.txt").read_text(), flags=re.MULTILINE)
    pinned: dict[str, set[str]] = {}
    for package, version in found:
        pinned.setdefault(canonicalize_name(package), set()).add(version)
    return pinned


@pytest.mark.parametrize("name", WHOLE)
def test_every_declared_dependency_is_pinned_within_its_bounds(name):
    pinned = entries(name)
    declared = PROJECT["dependencies"] + [text for extra in WHOLE[name] for text in EXTRAS[extra]]
    for text in declared:
        requirement = Requirement(text)
        versions = pinned.get(canonicalize_name(requirement.name))
        assert versions, f"{requirement.name} is missing from {name}.txt; run: make lock"
        for version in versions:
            number = version.split(" ;")[0]
            assert requirement.specifier.contains(number, prereleases=True), f"{name}.txt: {number} is not {text}"


@pytest.mark.parametrize("name", PARTS)
def test_every_profile_is_a_part_of_the_whole_set(name):
    """So that any two of them can share one environment."""
    whole = {(package, pin.split(" ;")[0]) for package, pins in entries("dev").items() for pin in pins}
    part = {(package, pin.split(" ;")[0]) for package, pins in entries(name).items() for pin in pins}
    assert part <= whole


@pytest.mark.parametrize("name", LOCKS)
def test_every_package_is_pinned_by_hash(name):
    text = re.sub(r"#.*", "", (REQUIREMENTS / f"{name}.txt").read_text())
    requirements = [each for each in re.sub(r"\\\n", " ", text).splitlines() if each.strip()]
    assert requirements
    for each in requirements:
        assert re.match(r"\S+==\S+ .*--hash=sha256:[0-9a-f]{64}", each), each


def test_every_lock_file_is_known_and_every_extra_has_one():
    assert {path.stem for path in REQUIREMENTS.glob("*.txt")} == set(LOCKS)
    assert set(EXTRAS) == {extra for extras in WHOLE.values() for extra in extras}


@pytest.mark.parametrize("name", LOCKS)
def test_no_lock_file_holds_an_address_or_a_path(name):
    text = (REQUIREMENTS / f"{name}.txt").read_text()
    assert not re.search(r"://|@ |^-e |^/|[\s=]/", text, flags=re.MULTILINE)


def test_nothing_tracked_names_a_package_index():
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    for path in (ROOT / name for name in listed.split("\0") if name):
        if path.is_file():  # not deleted since
            content = path.read_bytes()
            assert not any(host.encode() in content for host in INDEX_HOSTS), path.relative_to(ROOT)
