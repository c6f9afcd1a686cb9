"""Each bad input gets its own clear error and its class's exit code, as docs/reference/errors.md says.

The page is made here: `make docs` runs this file with --write-reference.
"""

import csv
import io
import os
import re
import sys
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from aiops.cli.main import main
from tests.contracts.bad_inputs import CASES, NOW, Place

PAGE = Path(__file__).parents[2] / "docs" / "reference" / "errors.md"
INTRODUCTION = """# What can be wrong with the input, and what is said then

Made by `make docs` from `tests/contracts/bad_inputs.py`: every row was brought about, with a real Prometheus where one
can be made to do it, and shows what `aiops inspect` printed. Do not edit.

An exit code stands for a class of errors: 2 a setting or option is wrong, 3 the telemetry cannot be used, 4 Prometheus
did not answer (`UpstreamUnavailableError`: try again) or refused (`UpstreamRejectedError`: it will again), 5 done, but
something was left out, 0 done.

| input | error | exit code | message |
|---|---|---|---|
"""


@pytest.fixture(scope="module")
def page(request):
    """The rows by case; written to the page at the end if that was asked for."""
    rows: dict[str, str] = {}
    yield rows
    if request.config.getoption("--write-reference"):
        assert len(rows) == len(CASES), "the page is written from all cases"
        PAGE.write_text(INTRODUCTION + "\n".join(rows[case.what] for case in CASES) + "\n")


@pytest.fixture
def place(tmp_path, prometheus, monkeypatch):
    for name in list(os.environ):
        if name.startswith("AIOPS_"):
            monkeypatch.delenv(name)
    monkeypatch.setenv("AIOPS_PROMETHEUS__ATTEMPTS", "1")
    monkeypatch.chdir(tmp_path)
    return Place(folder=tmp_path, prometheus=prometheus, environment=monkeypatch)


def run(arguments, monkeypatch, capfd):
    """Return the error, the exit code, what was said on stderr, and the rows of the table."""
    monkeypatch.setattr(sys, "argv", ["aiops", "inspect", *arguments, "--format", "csv"])
    with pytest.raises(SystemExit) as ended:
        main()
    said = capfd.readouterr()
    return ended.value.__context__, ended.value.code or 0, said.err.strip(), list(csv.DictReader(io.StringIO(said.out)))


def is_today(stamp):
    return abs(datetime.fromisoformat(f"{stamp[0]}+00:00") - NOW) < timedelta(days=30)


def as_row(what, error, code, message):
    message = re.sub(r"://(localhost|127\.0\.0\.1):\d+", "://localhost:9090", message)
    stamp = r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d"
    message = re.sub(stamp, lambda found: "2026-01-31T12:00:00" if is_today(found) else found[0], message)
    message = re.sub(r" ?\(_ssl\.c:\d+\)", "", message)
    message = " ".join(message.split()).replace("|", "\\|").replace("<", "&lt;").replace("*", "\\*")
    return f"| {what} | {error} | {code} | {message} |"


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.what)
def test_it_gets_its_own_clear_error(case, place, page, request, monkeypatch, capfd):
    with case.arrange(place) as arguments:
        error, code, stderr, table = run(arguments, monkeypatch, capfd)
    if case.error is None:
        assert code in (0, 5)
        assert table
        verdicts = "; ".join(f"verdict on {each['series_id']}: {each['verdict']}" for each in table)
        page[case.what] = row = as_row(case.what, "none", code, stderr or verdicts)
    else:
        assert type(error) is case.error
        assert stderr == f"error: {error}"
        assert table == []
        page[case.what] = row = as_row(case.what, case.error.__name__, code, str(error))
    if not request.config.getoption("--write-reference"):
        assert row in PAGE.read_text().splitlines(), "the page is out of date; run: make docs"


def test_the_page_holds_these_cases_and_no_others(request):
    if request.config.getoption("--write-reference"):
        pytest.skip("the page is being written")
    text = PAGE.read_text()
    assert text.startswith(INTRODUCTION), "the page is out of date; run: make docs"
    rows = text.removeprefix(INTRODUCTION).splitlines()
    assert [row.split(" | ")[0].removeprefix("| ") for row in rows] == [case.what for case in CASES]


def test_no_two_errors_share_a_message(request):
    if request.config.getoption("--write-reference"):
        pytest.skip("the page is being written")
    messages = [row.split(" | ")[-1] for row in PAGE.read_text().removeprefix(INTRODUCTION).splitlines()]
    assert len(set(messages)) == len(CASES)
