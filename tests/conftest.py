"""Fixtures for every test: real servers, real data, and what happens where either is missing."""

import os
from collections import Counter, defaultdict
from collections.abc import Generator, Iterator
from pathlib import Path
from typing import Any

import hypothesis
import pytest

import testbed.alertmanager
import testbed.apiserver
import testbed.cluster
import testbed.prometheus
from testbed.apiserver import ApiServer
from testbed.cluster import Cluster
from testbed.server import Server
from tools.catalog import ToolMissingError

# One thread each, so that timings mean something and two runs can share a machine. Nothing above has loaded NumPy.
for _library in ("OMP", "OPENBLAS", "MKL", "NUMEXPR"):
    os.environ[f"{_library}_NUM_THREADS"] = "1"

IN_CI = bool(os.environ.get("CI"))

hypothesis.settings.register_profile("ci", derandomize=True, deadline=None, print_blob=True)
hypothesis.settings.register_profile("here", deadline=None)
hypothesis.settings.load_profile("ci" if IN_CI else "here")


def pytest_addoption(parser: pytest.Parser) -> None:
    """Let `make docs` have the pages written that tests hold up to date."""
    parser.addoption("--write-reference", action="store_true", help="write docs/reference/errors.md from what is seen")


@pytest.fixture(scope="session")
def prometheus() -> Iterator[Server]:
    """One Prometheus for the whole run; tests that share it use metric names of their own."""
    with testbed.prometheus.prometheus() as server:
        yield server


@pytest.fixture
def fresh_prometheus() -> Iterator[Server]:
    """An empty Prometheus for one test, which may stop it."""
    with testbed.prometheus.prometheus() as server:
        yield server


@pytest.fixture(scope="session")
def alertmanager() -> Iterator[Server]:
    """One Alertmanager for the whole run; it notifies nobody."""
    with testbed.alertmanager.alertmanager() as server:
        yield server


@pytest.fixture(scope="session")
def apiserver() -> Iterator[ApiServer]:
    """One Kubernetes API for the whole run, without controllers; each test uses a namespace of its own."""
    with testbed.apiserver.apiserver() as api:
        yield api


@pytest.fixture(scope="session")
def cluster() -> Iterator[Cluster]:
    """One whole Kubernetes cluster for the whole run; each test uses a namespace of its own."""
    with testbed.cluster.cluster() as running:
        yield running


@pytest.fixture(scope="session")
def data_dir() -> Path:
    """The folder of real traces, named by AIOPS_DATA_DIR."""
    named = os.environ.get("AIOPS_DATA_DIR")
    if not named:
        pytest.skip("AIOPS_DATA_DIR is not set: this was NOT tested on real traces")
    folder = Path(named)
    if not folder.is_dir():
        pytest.fail(f"AIOPS_DATA_DIR names {folder}, which is not a folder")
    return folder


@pytest.hookimpl(wrapper=True)
def pytest_runtest_setup() -> Generator[None]:
    """Let a fixture's missing program skip the test (see `_skip_unless_ci`)."""
    return (yield from _skip_unless_ci())


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call() -> Generator[None]:
    """Let a test's own missing program skip it (see `_skip_unless_ci`)."""
    return (yield from _skip_unless_ci())


def _skip_unless_ci() -> Generator[None]:
    """A program that is not on this machine skips a test, and says so; where CI is set it fails the test."""
    try:
        return (yield)
    except ToolMissingError as error:
        if IN_CI:
            raise
        pytest.skip(f"NOT tested: {error}")


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    """With ``--durations``, say also what each folder of tests took; a shared server counts where it is first used."""
    if config.option.durations is None:
        return
    took: defaultdict[str, float] = defaultdict(float)
    count: Counter[str] = Counter()
    for reports in terminalreporter.stats.values():
        for report in reports:
            if isinstance(report, pytest.TestReport):
                folder = Path(report.location[0]).parent.name
                took[folder] += report.duration
                count[folder] += report.when == "call"
    terminalreporter.section("seconds by folder")
    for folder, seconds in sorted(took.items(), key=lambda each: each[1], reverse=True):
        terminalreporter.line(f"{seconds:7.1f} s  {folder} ({count[folder]} tests)")


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Show the logs of the servers that a failed test was given."""
    report = yield
    if report.failed:
        given: dict[str, Any] = getattr(item, "funcargs", {})
        for value in given.values():
            servers = (value,) if isinstance(value, Server) else getattr(value, "servers", ())
            for server in servers:
                report.sections.append((f"log of {server.name}", server.log_tail()))
    return report
