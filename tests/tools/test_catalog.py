"""Tools are obtained once, completely or not at all."""

import subprocess
from dataclasses import dataclass, field

import pytest

import tools.cache
from tools import catalog
from tools.steps import StepFailedError


@dataclass
class ScriptTool:
    """Brings one shell script; counts how often it was asked to."""

    name: str = "greeter"
    greeting: str = "hello"
    programs: dict[str, str] = field(default_factory=lambda: {"greet": "bin/greet"})
    obtained: int = 0
    fails: bool = False

    def definition(self):
        return self.greeting

    def obtain(self, into):
        self.obtained += 1
        (into / "bin").mkdir()
        if self.fails:
            raise StepFailedError("the network is down")
        script = into / "bin" / "greet"
        script.write_text(f"#!/bin/sh\necho {self.greeting}\n")
        script.chmod(0o755)


@pytest.fixture
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    return tmp_path / "aiops" / "tools"


def test_a_tool_is_obtained_once(cache):
    tool = ScriptTool()
    assert tools.cache.ensure(tool)
    assert not tools.cache.ensure(tool)
    assert tool.obtained == 1
    greet = tools.cache.folder(tool) / tool.programs["greet"]
    assert subprocess.run([greet], capture_output=True, text=True, check=True).stdout == "hello\n"


def test_another_definition_lives_in_another_folder(cache):
    old, new = ScriptTool(), ScriptTool(greeting="good morning")
    assert tools.cache.ensure(old)
    assert tools.cache.ensure(new)
    assert tools.cache.folder(old).parent == tools.cache.folder(new).parent == cache
    assert tools.cache.folder(old) != tools.cache.folder(new)


def test_a_failure_leaves_no_tool_behind_and_the_next_run_tries_again(cache):
    tool = ScriptTool(fails=True)
    with pytest.raises(StepFailedError, match="network is down"):
        tools.cache.ensure(tool)
    assert not tools.cache.folder(tool).exists()
    tool.fails = False
    assert tools.cache.ensure(tool)


def test_a_tool_without_its_program_is_refused(cache):
    tool = ScriptTool(programs={"greet": "bin/greet", "wave": "bin/wave"})
    with pytest.raises(StepFailedError, match=r"its program wave is not at bin/wave"):
        tools.cache.ensure(tool)
    assert not tools.cache.folder(tool).exists()


@pytest.mark.parametrize("program", ["prometheus", "promtool", "alertmanager", "amtool"])
def test_the_programs_of_the_catalog_run(program):
    said = subprocess.run([catalog.find(program), "--version"], capture_output=True, text=True, check=True)
    assert f"{program}, version" in said.stdout + said.stderr


def test_no_program_is_brought_by_two_tools():
    programs = [program for tool in catalog.CATALOG.values() for program in tool.programs]
    assert len(programs) == len(set(programs))
