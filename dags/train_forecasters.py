"""Every night: a snapshot of the telemetry becomes forecasts, and the champion if they are better.

What each task does is in ``aiops.jobs.train_forecasters``; this file says when, in what order, and what is tried again.
How to run it: docs/how-to/train-every-day.md.
"""

from datetime import timedelta

from airflow.sdk import (
    CronDataIntervalTimetable,
    ExceptionRetryPolicy,
    Param,
    RetryAction,
    RetryRule,
    dag,
    task,
)

TEXT = ["null", "string"]
NUMBER = ["null", "number"]
COUNT = ["null", "integer"]


@dag(
    schedule=CronDataIntervalTimetable("0 2 * * *", timezone="UTC"),
    catchup=False,
    max_active_runs=1,
    dagrun_timeout=timedelta(hours=12),
    tags=["aiops"],
    doc_md=__doc__,
    default_args={
        "retries": 3,
        "retry_delay": timedelta(minutes=2),
        "retry_exponential_backoff": True,
        "max_retry_delay": timedelta(minutes=30),
        # What is wrong today is wrong in two minutes; a system that did not answer may answer then.
        "retry_policy": ExceptionRetryPolicy(
            rules=[
                RetryRule(
                    exception=[
                        "aiops.errors.ConfigError",
                        "aiops.errors.DataError",
                        "aiops.errors.ModelError",
                        "aiops.errors.UpstreamRejectedError",
                    ],
                    action=RetryAction.FAIL,
                )
            ]
        ),
    },
    # An empty one is what AIOPS_TRAINING__* says: see docs/reference/settings.md.
    params={
        "source": Param(None, type=TEXT, description="A folder, or the URL of a Prometheus"),
        "query": Param(None, type=TEXT, description="PromQL, or a pattern of series ids of a folder"),
        "history": Param(None, type=TEXT, description="How far back a Prometheus is read, such as 28d"),
        "step": Param(None, type=TEXT, description="Grid of what is read, such as 5m"),
        "end": Param(None, type=TEXT, description="Up to when, in ISO 8601; else the end of the data interval"),
        "horizon": Param(None, type=TEXT, description="How far to forecast, such as 2d"),
        "forecasters": Param(None, type=["null", "string", "array"], description="What is chosen from"),
        "choosing": Param(None, type=COUNT, description="Folds that a forecaster is chosen by"),
        "judging": Param(None, type=COUNT, description="Later folds that it is judged by"),
        "margin": Param(None, type=NUMBER, description="Share by which a champion's loss must be beaten"),
        "registry": Param(None, type=TEXT, description="sqlite:///FILE, or the URL of an MLflow server"),
        "name": Param(None, type=TEXT, description="Name of the registered model"),
        "folder": Param(None, type=TEXT, description="Where runs and bundles go; all workers share it"),
        "engine": Param(None, type=TEXT, description="Who does the fitting inside a task: local or ray"),
        "tasks": Param(None, type=COUNT, description="Most tasks that the fitting is dealt out to"),
        "workers": Param(None, type=COUNT, description="Processes of each such task"),
    },
)
def train_forecasters():
    @task
    def plan(params=None, data_interval_end=None, dag_run=None):
        from aiops.jobs import train_forecasters as job

        return job.plan(params, data_interval_end or dag_run.run_after)

    @task
    def take_snapshot(run):
        from aiops.jobs import train_forecasters as job

        return job.take_snapshot(run)

    @task
    def deal(run):
        from aiops.jobs import train_forecasters as job

        return job.deal(run)

    @task(map_index_template="shards {{ task.op_kwargs['part'] }}")
    def fit(run, part):
        from aiops.jobs import train_forecasters as job

        return job.fit(run, part)

    @task
    def assemble(run, parts):
        from aiops.jobs import train_forecasters as job

        return job.assemble(run, parts)

    run = plan()
    parts = deal(run)
    take_snapshot(run) >> parts
    fit.partial(run=run).expand(part=parts) >> assemble(run, parts)


train_forecasters()
