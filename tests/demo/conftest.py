"""The demo's own environment: what requirements/demo.txt installs, and nothing that the tests have besides."""

import importlib.metadata
import os
import re
from pathlib import Path

import pytest

_ROOT = Path(__file__).parents[2]
_LOCK = _ROOT / "requirements" / "demo.txt"
_REFUSE = """
import sys

class Refuse:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in {refused!r}:
            raise ModuleNotFoundError(name + " is not in requirements/demo.txt", name=name)

sys.meta_path.insert(0, Refuse())
"""


@pytest.fixture(scope="session")
def demo_environment(tmp_path_factory):
    """Variables under which every Python process has the packages of the demo only."""
    locked = {_normal(name) for name in re.findall(r"^([A-Za-z0-9._-]+)==", _LOCK.read_text(), flags=re.MULTILINE)}
    installed = importlib.metadata.packages_distributions()
    foreign = {module for module, of in installed.items() if locked.isdisjoint(_normal(each) for each in of)}
    refused = {module for module in foreign if not (_ROOT / module).is_dir()}  # some also install a `tools` or `tests`
    assert "kubernetes" in refused
    assert "numpy" not in refused
    folder = tmp_path_factory.mktemp("demo-only")
    (folder / "sitecustomize.py").write_text(_REFUSE.format(refused=refused))
    return {**os.environ, "PYTHONPATH": str(folder)}


def _normal(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()
