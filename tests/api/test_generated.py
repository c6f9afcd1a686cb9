"""aiops/api is what protos/ says, and protos/ is in order."""

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
BUF = Path(sys.executable).with_name("buf")


def test_the_definitions_pass_the_standard_lint():
    done = subprocess.run([BUF, "lint"], cwd=ROOT, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout + done.stderr) == (0, "")


@pytest.mark.parametrize(
    "name", sorted(path.relative_to(ROOT).as_posix() for path in ROOT.glob("aiops/api/**/*_pb2.py*"))
)
def test_the_committed_code_is_what_the_definitions_make(name, tmp_path_factory):
    made = tmp_path_factory.getbasetemp() / "generated"
    if not made.exists():
        subprocess.run([BUF, "generate", "--output", made], cwd=ROOT, check=True)
    assert (ROOT / name).read_text() == (made / name).read_text(), "run: make api"


def test_every_definition_has_its_committed_code():
    for definition in ROOT.glob("protos/**/*.proto"):
        made = ROOT / definition.relative_to(ROOT / "protos").with_suffix("")
        assert made.with_name(f"{made.name}_pb2.py").is_file(), f"{definition}: run: make api"
