"""What a person sees of a slow command."""

import os
import sys

import pytest

from tools import apt, steps


def test_a_step_shows_what_it_is_for_and_its_seconds_only(capfd):
    steps.run("fetch the news", [sys.executable, "-c", "print('a hundred lines')"])
    shown = capfd.readouterr()
    assert shown.out == ""
    assert shown.err.startswith("  fetch the news ... ")
    assert shown.err.endswith(" s\n")
    assert "a hundred lines" not in shown.err


def test_a_step_that_fails_carries_its_output_and_code():
    with pytest.raises(steps.StepFailedError, match=r"(?s)ended with code 3:\nno disk left$"):
        steps.run("write", [sys.executable, "-c", "import sys; print('no disk left'); sys.exit(3)"])


def test_a_command_that_cannot_be_started_is_named():
    with pytest.raises(steps.StepFailedError, match="cannot run no-such-command: No such file or directory"):
        steps.run("try", ["no-such-command"])


def test_debian_packages_are_named_where_we_may_not_install_them(monkeypatch):
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    with pytest.raises(steps.StepFailedError, match=r"(?s)^It is needed\..*apt-get install python3-venv libgomp1$"):
        apt.install(["python3-venv", "libgomp1"], "It is needed.")


def test_a_machine_without_apt_is_told_what_is_missing(monkeypatch, tmp_path):
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(steps.StepFailedError, match=r"prometheus 2\.42\.\* comes from Debian 12 packages"):
        apt.unpack("prometheus", "2.42.", tmp_path)
