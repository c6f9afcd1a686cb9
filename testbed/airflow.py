"""A real Airflow of its own for one run or many: `python -m testbed.airflow train_forecasters --help`.

Its home is a temporary folder with an SQLite database. Tasks run one after another by ``dag.test()``; there is no
scheduler and no web server. Airflow takes over the logs and the warnings of the process that imports it, so that it
lives in a child.
"""

import argparse
import contextlib
import json
import multiprocessing
import os
import sys
import tempfile
import warnings
from collections.abc import Iterator, Mapping
from concurrent.futures import ProcessPoolExecutor
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


@dataclass(frozen=True, slots=True)
class Airflow:
    """An Airflow in a process of its own."""

    child: ProcessPoolExecutor

    def dags(self) -> Mapping[str, Mapping[str, Any]]:
        """Return what Airflow says of each DAG: ``schedule``, ``params``, ``tasks``, ``catchup``, ``active_runs``.

        Raises:
            RuntimeError: If a file cannot be imported.
        """
        return self.child.submit(_described).result()

    def run(
        self,
        dag_id: str,
        at: datetime,
        conf: Mapping[str, Any] | None = None,
        *,
        environment: Mapping[str, str] | None = None,
        retry_after: timedelta = timedelta(seconds=0.1),
    ) -> DagRun:
        """Run a DAG for the data interval that ended last at ``at``.

        Args:
            dag_id: Which one.
            at: Its logical date.
            conf: Its parameters where they are not the default.
            environment: Variables that its tasks see beside ours.
            retry_after: Instead of the DAG's own delay, which is made for a night.
        """
        return self.child.submit(_run, dag_id, at, dict(conf or {}), dict(environment or {}), retry_after).result()


@contextlib.contextmanager
def airflow() -> Iterator[Airflow]:
    """Give an Airflow that knows our DAGs until the ``with`` block ends."""
    others = set(multiprocessing.active_children())
    with tempfile.TemporaryDirectory(prefix="aiops-airflow-", ignore_cleanup_errors=True) as home:
        child = ProcessPoolExecutor(1, multiprocessing.get_context("spawn"), _configure, (home,))
        try:
            yield Airflow(child)
        finally:
            child.shutdown(wait=False, cancel_futures=True)
            for each in set(multiprocessing.active_children()) - others:  # it may wait for a task's next try
                each.kill()
                each.join()


def _configure(home: str) -> None:
    """Make an empty Airflow; it reads its environment when it is imported."""
    warnings.simplefilter("ignore")  # its own, by the dozen
    os.environ.update(
        {
            "AIRFLOW_HOME": home,
            "AIRFLOW__CORE__DAGS_FOLDER": str(DAGS),
            "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
            "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": f"sqlite:///{home}/airflow.db",
            "AIRFLOW__LOGGING__LOGGING_LEVEL": os.environ.get("AIRFLOW__LOGGING__LOGGING_LEVEL", "WARNING"),
            "AIRFLOW__USAGE_DATA_COLLECTION__ENABLED": "False",
        }
    )
    from airflow.utils.db import initdb

    initdb()


def _dags() -> dict[str, Any]:
    from airflow.dag_processing.dagbag import DagBag

    bag = DagBag(dag_folder=str(DAGS))
    if bag.import_errors:
        raise RuntimeError(f"DAGs cannot be imported: {bag.import_errors}")
    found: dict[str, Any] = bag.dags
    return found


def _described() -> dict[str, dict[str, Any]]:
    return {
        name: {
            "schedule": dag.timetable.expression,
            "params": sorted(dag.params),
            "tasks": [task.task_id for task in dag.topological_sort()],
            "catchup": dag.catchup,
            "active_runs": dag.max_active_runs,
        }
        for name, dag in _dags().items()
    }


def _run(
    dag_id: str, at: datetime, conf: dict[str, Any], environment: dict[str, str], retry_after: timedelta
) -> DagRun:
    known = _dags()
    if dag_id not in known:
        raise KeyError(f"there is no DAG {dag_id}, but {', '.join(sorted(known))}")
    dag = known[dag_id]
    for task in dag.tasks:
        task.retry_delay = retry_after
    before = dict(os.environ)
    os.environ.update(environment)
    try:
        ended = dag.test(logical_date=at, run_conf=conf)
    finally:
        os.environ.clear()
        os.environ.update(before)
    tasks = {}
    for each in sorted(
        ended.get_task_instances(), key=lambda task: task.start_date or datetime.max.replace(tzinfo=UTC)
    ):
        name = each.task_id if each.map_index < 0 else f"{each.task_id}[{each.map_index}]"
        value = each.xcom_pull(task_ids=each.task_id, map_indexes=each.map_index) if each.state == "success" else None
        tasks[name] = TaskRun(name=name, state=str(each.state), tries=each.try_number, value=value)
    return DagRun(state=str(ended.state), interval_end=ended.data_interval_end, tasks=tasks)


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
    with airflow() as running:
        try:
            ended = running.run(asked.dag, asked.end, {"end": asked.end.isoformat(), **asked.conf})
        except KeyError as error:
            parser.error(str(error.args[0]))
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


if __name__ == "__main__":
    sys.exit(main())
