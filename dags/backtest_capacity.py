"""Every Monday: the last weeks of demand, replayed under the plain HPA and under ours, as an HTML report.

What each task does is in ``aiops.jobs.backtest_capacity``; this file says when, in what order, and what is tried again.
How to run it: docs/how-to/report-capacity-every-week.md.
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


@dag(
    schedule=CronDataIntervalTimetable("0 3 * * 1", timezone="UTC"),
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
    # An empty one is what AIOPS_CAPACITY__* says: see docs/reference/settings.md.
    params={
        "source": Param(None, type=TEXT, description="A folder, or the URL of a Prometheus"),
        "query": Param(None, type=TEXT, description="PromQL of demand, one series a workload"),
        "history": Param(None, type=TEXT, description="How far back a Prometheus is read, such as 28d"),
        "step": Param(None, type=TEXT, description="Grid of what is read, such as 1m"),
        "end": Param(None, type=TEXT, description="Up to when, in ISO 8601; else the end of the data interval"),
        "forecasters": Param(None, type=["null", "string", "array"], description="What is tried as a floor"),
        "capacity_per_replica": Param(None, type=NUMBER, description="Demand that one replica serves"),
        "startup_delay": Param(None, type=TEXT, description="From creation of a pod to ready, such as 2m"),
        "scored": Param(None, type=TEXT, description="Length of the scored end, such as 14d"),
        "cost": Param(None, type=NUMBER, description="Compare at so many times the optimum's replica-hours"),
        "folder": Param(None, type=TEXT, description="Where runs and reports go; all workers share it"),
        "workers": Param(None, type=["null", "integer"], description="Processes that share the replay"),
    },
)
def backtest_capacity():
    @task
    def plan(params=None, data_interval_end=None, dag_run=None):
        from aiops.jobs import backtest_capacity as job

        return job.plan(params, data_interval_end or dag_run.run_after)

    @task
    def take_snapshot(run):
        from aiops.jobs import backtest_capacity as job

        return job.take_snapshot(run)

    @task
    def report(run):
        from aiops.jobs import backtest_capacity as job

        return job.report(run)

    run = plan()
    take_snapshot(run) >> report(run)


backtest_capacity()
