"""One run of a DAG on a real Airflow of its own: `python -m testbed.airflow train_forecasters --help`.

Airflow's home is a temporary folder with an SQLite database. Tasks run one after another in this process, by
``dag.test()``; there is no scheduler and no web server. Airflow reads its environment when it is imported, so that
``configure`` comes first.
"""

import argparse
import contextlib
import json
import os
import sys
import tempfile
import warnings
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

DAGS = Path(__file__).parents[1] / "dags"


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskRun:
    """What became of a task.

    Attributes:
        name: Its id; a mapped one has its index behind it, as in ``fit[2]``.
        state: As Airflow says it, such as ``"success"`` or ``"failed"``.
        tries: How often it was started.
        value: What it returned; None if it did not end well.
    """

    name: str
    state: str
    tries: int
    value: Any = None


@dataclass(frozen=True, slots=True, kw_only=True)
class DagRun:
    """What became of a run.

    Attributes:
        state: As Airflow says it.
        interval_end: End of the data interval.
        tasks: By name, in the order in which they were started.
    """

    state: str
    interval_end: datetime
    tasks: Mapping[str, TaskRun] = field(default_factory=dict)


def configure(home: Path) -> None:
    """Give this process an Airflow with nothing in it but our DAGs; call it before anything imports Airflow."""
    os.environ.update(
        {
            "AIRFLOW_HOME": str(home),
            "AIRFLOW__CORE__DAGS_FOLDER": str(DAGS),
            "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
            "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": f"sqlite:///{home}/airflow.db",
            "AIRFLOW__LOGGING__LOGGING_LEVEL": os.environ.get("AIRFLOW__LOGGING__LOGGING_LEVEL", "WARNING"),
            "AIRFLOW__USAGE_DATA_COLLECTION__ENABLED": "False",
        }
    )
    from airflow.utils.db import initdb

    initdb()


def dags() -> Mapping[str, Any]:
    """Return our DAGs by id, as Airflow parses them.

    Raises:
        RuntimeError: If a file cannot be imported.
    """
    from airflow.dag_processing.dagbag import DagBag

    bag = DagBag(dag_folder=str(DAGS))
    if bag.import_errors:
        raise RuntimeError(f"DAGs cannot be imported: {bag.import_errors}")
    found: dict[str, Any] = bag.dags
    return found


def run(
    dag: Any, at: datetime, params: Mapping[str, Any] | None = None, retry_after: timedelta | None = None
) -> DagRun:
    """Run a DAG for the data interval that ended last at ``at``.

    Args:
        dag: One of ``dags()``.
        at: Its logical date.
        params: Its parameters where they are not the default.
        retry_after: Instead of the DAG's own delay.
    """
    if retry_after is not None:
        for task in dag.tasks:
            task.retry_delay = retry_after
    ended = dag.test(logical_date=at, run_conf=dict(params or {}))
    found = {}
    for each in sorted(
        ended.get_task_instances(), key=lambda task: task.start_date or datetime.max.replace(tzinfo=UTC)
    ):
        name = each.task_id if each.map_index < 0 else f"{each.task_id}[{each.map_index}]"
        value = each.xcom_pull(task_ids=each.task_id, map_indexes=each.map_index) if each.state == "success" else None
        found[name] = TaskRun(name=name, state=str(each.state), tries=each.try_number, value=value)
    return DagRun(state=str(ended.state), interval_end=ended.data_interval_end, tasks=found)


def main() -> int:
    """Run a DAG once and print what became of its tasks as JSON, one line each; return the exit code."""
    parser = argparse.ArgumentParser(
        prog="python -m testbed.airflow",
        description="Run a DAG once on an Airflow of its own, which is removed afterwards. What the tasks write stays.",
        epilog="Settings come from AIOPS_* and --conf. Example: python -m testbed.airflow train_forecasters"
        """ --end 2026-11-20T10:00:00Z --conf '{"query": "demand", "folder": "/srv/training"}'""",
    )
    parser.add_argument("dag", help="train_forecasters or backtest_capacity")
    parser.add_argument("--end", type=_instant, default=datetime.now(UTC), help="up to when; now if left out")
    parser.add_argument("--conf", type=_parameters, default={}, metavar="JSON", help="parameters of the DAG")
    asked = parser.parse_args()
    with _home() as home:
        configure(home)
        known = dags()
        if asked.dag not in known:
            parser.error(f"there is no DAG {asked.dag}, but {', '.join(sorted(known))}")
        ended = run(known[asked.dag], asked.end, {"end": asked.end.isoformat(), **asked.conf})
    for each in ended.tasks.values():
        print(json.dumps({"task": each.name, "state": each.state, "tries": each.tries, "value": each.value}))
    return 0 if ended.state == "success" else 1


def _parameters(text: str) -> dict[str, Any]:
    found = json.loads(text)
    if not isinstance(found, dict):
        raise argparse.ArgumentTypeError(f"{text} is no JSON object")
    return found


def _instant(text: str) -> datetime:
    found = datetime.fromisoformat(text)
    return found.replace(tzinfo=found.tzinfo or UTC).astimezone(UTC)


@contextlib.contextmanager
def _home() -> Iterator[Path]:
    warnings.simplefilter("ignore")
    with tempfile.TemporaryDirectory(prefix="aiops-airflow-") as folder:
        yield Path(folder)


if __name__ == "__main__":
    sys.exit(main())
