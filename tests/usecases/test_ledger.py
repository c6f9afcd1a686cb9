"""The ledger of a running workload, from what a real Prometheus holds of it."""

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import numpy as np
import pytest

from aiops.adapters.remote_write import RemoteWriter
from aiops.backtest.hpa import SYNC, Hpa
from aiops.backtest.ledger import ledger
from aiops.backtest.replay import Case, replay_floors, replay_hpa
from aiops.errors import DataError
from aiops.scaling.policy_file import load_policy
from aiops.scaling.resource import PredictiveScalerSpec
from aiops.series import Series, SeriesKey
from aiops.settings import PrometheusSettings
from aiops.usecases.ledger import DONE, FLOOR, ORACLE, PLAIN, Watched, ledger_of
from tests.cli import program

MINUTE = timedelta(minutes=1)
N = 2 * 1440
SPEC = """
apiVersion: aiops.dev/v1alpha1
kind: PredictiveScaler
metadata: {name: till, namespace: ledger}
spec:
  bounds: {minReplicas: 2, maxReplicas: 60}
  load: {capacityPerReplica: 10, query: "last_over_time(till_demand[1m])"}
  target: {name: till}
"""


@pytest.fixture(scope="module")
def case() -> Case:
    # The last noon: what a first day of minutes begins with would be seen in the second one.
    end = (datetime.now(UTC) - timedelta(hours=12)).replace(hour=12, minute=0, second=0, microsecond=0)
    hours = np.arange(N + 1) / 60
    noise = np.random.default_rng(5).lognormal(0, 0.1, len(hours))
    values = (150 + 100 * np.sin(hours * np.pi / 12)) * noise
    history = Series(key=SeriesKey("till_demand"), start=end - (N + 1) * MINUTE, step=MINUTE, values=values)
    return Case(
        name="till", history=history, capacity_per_replica=10.0, start=history.start + MINUTE, end=end,
        lead=timedelta(),
    )  # fmt: skip


@pytest.fixture(scope="module")
def hpa() -> Hpa:
    return Hpa(target=0.8, min_replicas=2, max_replicas=60)


@pytest.fixture(scope="module")
def floors(case) -> np.ndarray:
    """A floor that knows five minutes of the future: what an operator decided, one number a minute."""
    ahead = np.lib.stride_tricks.sliding_window_view(np.pad(case.history.values[1:], (0, 5), mode="edge"), 6)
    return np.asarray(np.ceil(ahead.max(axis=1) / 10))


def watched() -> Watched:
    spec = load_policy(SPEC)
    assert isinstance(spec, PredictiveScalerSpec)
    return Watched(namespace="ledger", name="till", spec=spec, hpa_target=0.8, startup_delay=2 * MINUTE)


def by_minute(values: np.ndarray) -> np.ndarray:
    return np.asarray(values.reshape(-1, MINUTE // SYNC).mean(axis=1))


def test_what_the_plain_hpa_did_is_what_the_plain_hpa_would_have_done(case, hpa, floors):
    """And the others are those of a backtest: one simulation, one oracle, one ledger."""
    did = replay_hpa(case, hpa)
    demand = case.history.between(case.start, case.end)
    there = {"replicas": by_minute(did.track.replicas), "ready": by_minute(did.track.ready)}

    found = ledger_of(watched(), demand, decided=floors, **there)

    # The first day begins with other pods: a simulation knows nothing of the time before.
    for done, plain in list(zip(found[DONE], found[PLAIN], strict=True))[1:]:
        assert done.day == plain.day
        assert done[1:] == pytest.approx(plain[1:])
    with_floor = replay_floors(case, np.repeat(floors, 4).astype(np.int64), hpa, "")
    kept = slice(0, len(did.demand) - 8)
    short = replace(
        with_floor.record,
        demand=with_floor.demand[kept],
        replicas=with_floor.track.replicas[kept].astype(float),
        ready=with_floor.track.ready[kept].astype(float),
    )
    for ours, expected in list(zip(found[FLOOR], ledger(short), strict=True))[1:]:
        assert ours.day == expected.day
        assert ours[1:] == pytest.approx(expected[1:])
    assert sum(each.unmet for each in found[FLOOR]) < 0.2 * sum(each.unmet for each in found[PLAIN])
    assert all(each.unmet == 0 for each in found[ORACLE])


def test_time_that_nobody_knows_counts_for_nobody(case, floors):
    demand = case.history.between(case.start, case.end)
    there = np.full(N, 40.0)
    whole = ledger_of(watched(), demand, replicas=there, ready=there, decided=floors)
    holed = np.where(np.arange(N) < N / 2, np.nan, there)
    part = ledger_of(watched(), demand, replicas=there, ready=holed, decided=np.full(N, np.nan))
    for who in (DONE, PLAIN, ORACLE):
        ratio = sum(each.replica_hours for each in part[who]) / sum(each.replica_hours for each in whole[who])
        assert 0.3 < ratio < 0.7, who
    assert part[FLOOR] == part[PLAIN], "without a decision there is no floor"
    with pytest.raises(DataError, match=r"ledger/till.*never known together"):
        ledger_of(watched(), demand, replicas=there, ready=np.full(N, np.nan), decided=floors)


def test_the_ledger_is_read_from_prometheus(case, floors, fresh_prometheus, tmp_path):
    did = replay_hpa(case, Hpa(target=0.8, min_replicas=2, max_replicas=60))
    demand = case.history.between(case.start, case.end)
    labels = {"namespace": "ledger", "name": "till"}
    numbers = {
        "aiops_scaler_current_replicas": by_minute(did.track.replicas),
        "aiops_scaler_ready_replicas": by_minute(did.track.ready),
        "aiops_scaler_desired_replicas": floors,
    }
    metrics = [replace(demand, key=SeriesKey.of(name, labels), values=each) for name, each in numbers.items()]
    RemoteWriter(PrometheusSettings(url=fresh_prometheus.url)).write([demand, *metrics])
    (tmp_path / "till.yaml").write_text(SPEC)
    said = program.run(
        "ledger", "--source", fresh_prometheus.url, "--scaler", "ledger/till", "--policy", tmp_path / "till.yaml",
        "--hpa-target", "0.8", "--history", "49h", "--end", case.end.isoformat(), "--format", "json",
    )  # fmt: skip
    assert said.returncode == 0, said.stderr
    *days, total = json.loads(said.stdout)
    expected = ledger_of(
        watched(), demand,
        replicas=numbers["aiops_scaler_current_replicas"],
        ready=numbers["aiops_scaler_ready_replicas"],
        decided=floors,
    )  # fmt: skip
    assert [row["day"] for row in days] == [f"{each.day:%Y-%m-%d}" for each in expected[DONE]]
    for who, entries in expected.items():
        hours = sum(each.replica_hours for each in entries)
        assert total[f"{who}, replica-hours"] == pytest.approx(hours), who
    assert total["day"] == "(all)"
