"""What the Dockerfiles do to make an environment, done in a folder: only a container's file system is missing."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from testbed.server import running
from tests.images.dockerfile import copied, exec_form, read
from tools.bootstrap import ROOT

pytestmark = pytest.mark.slow


class Built:
    """The stages of an image carried out below a folder; / of the image is that folder."""

    def __init__(self, image: str, root: Path) -> None:
        self.root = root
        build, self.last = read(image)
        python = f"{sys.base_prefix}/bin"
        clean = {
            name: value for name, value in os.environ.items() if not name.startswith(("AIOPS_", "PYTHON", "VIRTUAL"))
        }
        self._run(build, {**clean, "PATH": f"{python}:{os.environ['PATH']}"})
        for step in self.last.all("COPY"):
            origin, sources, target = copied(step)
            if origin is None:
                self._copy(ROOT, sources, self.inside(target))
        environment = dict(word.split("=", 1) for word in self.last.last("ENV").split())
        self.environment = {name: self._moved(value) for name, value in environment.items()}
        self.environment["PATH"] = self.environment["PATH"].replace("$PATH", "/usr/bin:/bin")

    def inside(self, path: str) -> Path:
        return Path(f"{self.root}{path}")

    def command(self, *arguments: str) -> list[str]:
        """The entry point with these arguments, in the image's environment and no other."""
        environment = [f"{name}={value}" for name, value in self.environment.items()]
        return ["env", "-i", *environment, *exec_form(self.last.last("ENTRYPOINT")), *arguments]

    def size_megabytes(self) -> float:
        files = (file for file in self.inside("/opt/aiops").rglob("*") if file.is_file() and not file.is_symlink())
        return sum(file.stat().st_size for file in files) / 1e6

    def _run(self, stage, environment):
        home = self.inside(stage.last("WORKDIR"))
        home.mkdir(parents=True)
        self.inside("/opt").mkdir()
        for instruction, rest in stage.steps:
            if instruction == "COPY":
                _, sources, target = copied(rest)
                self._copy(ROOT, sources, home / target)
            if instruction == "RUN":
                subprocess.run(["/bin/sh", "-ec", self._moved(rest)], cwd=home, env=environment, check=True)

    def _moved(self, text):
        return re.sub(r"(?<![\w/])(?=/(opt|build|srv|tmp)\b)", str(self.root), text)

    @staticmethod
    def _copy(home, sources, target):
        for source in sources:
            ignored = shutil.ignore_patterns("__pycache__")
            if (home / source).is_dir():
                shutil.copytree(home / source, target, ignore=ignored)
            else:
                target.mkdir(parents=True, exist_ok=True)
                shutil.copy(home / source, target)


@pytest.fixture(scope="module", params=["server", "operator"])
def built(request, tmp_path_factory):
    return request.param, Built(request.param, tmp_path_factory.mktemp(request.param))


def ended(command, folder):
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False, timeout=120)


def test_the_programs_start_with_what_the_lock_file_brings(built, tmp_path):
    image, made = built
    done = ended(made.command(*exec_form(made.last.last("CMD"))), tmp_path)
    assert done.returncode == 0, done.stderr
    assert "Example" in done.stdout
    print(f"{image}: {made.size_megabytes():.0f} MB of Python packages")


def test_the_environment_has_no_installer(built, tmp_path):
    _, made = built
    for module in ("pip", "uv", "setuptools", "hatchling"):
        done = ended([made.inside("/opt/aiops/bin/python"), "-c", f"import {module}"], tmp_path)
        assert "ModuleNotFoundError" in done.stderr, module


def test_they_become_ready(built, apiserver, tmp_path):
    """The server with nothing to watch; the operator at a real API server."""
    image, made = built

    def server(port, folder):
        return made.command("serve", "--listen=127.0.0.1:0", f"--metrics=127.0.0.1:{port}", f"--state={folder}/state")

    def operator(port, _):
        command = made.command("--forecasts-insecure", f"--metrics=127.0.0.1:{port}")
        return ["env", "-i", f"KUBECONFIG={apiserver.kubeconfig}", *command[2:]]

    with running(image, server if image == "server" else operator, ready_path="/readyz") as program:
        assert program.is_running()
