"""The DAGs as Airflow reads them: no surprise at import, and the parameters that the pages describe."""

import ast
from pathlib import Path

import pytest
from pydantic import BaseModel

from aiops.settings import CapacitySettings, TrainingSettings
from testbed.airflow import DAGS

PAGES = Path(__file__).parents[2] / "docs" / "how-to"
WHAT: dict[str, tuple[type[BaseModel], Path]] = {
    "train_forecasters": (TrainingSettings, PAGES / "train-every-day.md"),
    "backtest_capacity": (CapacitySettings, PAGES / "report-capacity-every-week.md"),
}


def test_airflow_finds_our_dags_and_no_other(airflow):
    found = airflow.dags()
    assert sorted(found) == sorted(WHAT)
    assert {name: each["schedule"] for name, each in found.items()} == {
        "train_forecasters": "0 2 * * *",
        "backtest_capacity": "0 3 * * 1",
    }
    for each in found.values():
        assert not each["catchup"]
        assert each["active_runs"] == 1
    assert found["train_forecasters"]["tasks"] == ["plan", "take_snapshot", "deal", "fit", "assemble"]
    assert found["backtest_capacity"]["tasks"] == ["plan", "take_snapshot", "report"]


@pytest.mark.parametrize("name", WHAT)
def test_the_top_of_a_dag_file_imports_airflow_sdk_and_nothing_heavy(name):
    tree = ast.parse((DAGS / f"{name}.py").read_text())
    imported = {
        module
        for node in tree.body
        if isinstance(node, ast.Import | ast.ImportFrom)
        for module in ([node.module] if isinstance(node, ast.ImportFrom) else [each.name for each in node.names])
    }
    assert imported == {"airflow.sdk", "datetime"}


@pytest.mark.parametrize("name", WHAT)
def test_parameters_are_the_settings_and_the_end_and_the_page_says_each(airflow, name):
    settings, page = WHAT[name]
    params = airflow.dags()[name]["params"]
    assert params == sorted([*settings.model_fields, "end"])
    text = page.read_text()
    assert [each for each in params if f"`{each}`" not in text] == []
