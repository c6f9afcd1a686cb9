"""aiops/api is what protos/ says, and protos/ is in order and breaks no client."""

import io
import shutil
import subprocess
import sys
import tarfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
BUF = Path(sys.executable).with_name("buf")
GENERATED = sorted(
    path.relative_to(ROOT).as_posix() for end in ("py", "pyi") for path in ROOT.glob(f"aiops/api/**/*_pb2*.{end}")
)


def test_the_definitions_pass_the_standard_lint():
    done = subprocess.run([BUF, "lint"], cwd=ROOT, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout + done.stderr) == (0, "")


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    folder = tmp_path_factory.mktemp("generated")
    subprocess.run([BUF, "generate", "--output", folder], cwd=ROOT, check=True)
    return folder


@pytest.mark.parametrize("name", GENERATED)
def test_the_committed_code_is_what_the_definitions_make(name, made):
    assert (ROOT / name).read_text() == (made / name).read_text(), "run: make api"


def test_every_definition_has_its_committed_code(made):
    there = sorted(path.relative_to(made).as_posix() for path in made.rglob("*.py*"))
    assert there == GENERATED, "run: make api"


@pytest.fixture(scope="module")
def released(tmp_path_factory):
    """The definitions of the last release; of the last commit while there is none."""
    if not (ROOT / ".git").exists():
        pytest.skip("no git history here: nothing to compare the definitions with")
    tags = subprocess.run(
        ["git", "tag", "--list", "v*", "--sort=-version:refname"], cwd=ROOT, capture_output=True, text=True, check=True
    ).stdout.split()
    folder = tmp_path_factory.mktemp("released")
    archive = subprocess.run(
        ["git", "archive", tags[0] if tags else "HEAD", "protos", "buf.yaml"], cwd=ROOT, capture_output=True, check=True
    ).stdout
    with tarfile.open(fileobj=io.BytesIO(archive)) as files:
        files.extractall(folder, filter="data")
    return folder


def _breaking(folder, against):
    done = subprocess.run(
        [BUF, "breaking", "--against", against], cwd=folder, capture_output=True, text=True, check=False
    )
    return done.returncode, done.stdout + done.stderr


def test_no_client_of_the_last_release_breaks(released):
    assert _breaking(ROOT, released) == (0, "")


def test_a_change_that_breaks_clients_is_noticed(tmp_path):
    shutil.copytree(ROOT / "protos", tmp_path / "protos")
    shutil.copy(ROOT / "buf.yaml", tmp_path)
    scoring = tmp_path / "protos/aiops/api/v1/scoring.proto"
    scoring.write_text(scoring.read_text().replace("int64 timestamp_ms = 3", "int64 timestamp_ms = 9"))
    code, said = _breaking(tmp_path, ROOT)
    assert code != 0
    assert "timestamp_ms" in said
