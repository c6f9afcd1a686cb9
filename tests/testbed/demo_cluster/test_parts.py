"""The parts of make demo-cluster that need no cluster."""

import math
import threading
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from io import StringIO
from xml.etree import ElementTree

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console

from aiops.backtest.outcome import ScalingOutcome
from aiops.errors import ConfigError
from aiops.scaling.resource import PredictiveScalerSpec
from aiops.scaling.state import ScalingState, Trial
from aiops.series import Series, SeriesKey
from testbed.demo_cluster import ending, stage, violation
from testbed.demo_cluster.background import InBackground
from testbed.demo_cluster.load import Disturbance, Pods, Tick
from testbed.demo_cluster.outcome import outcomes
from testbed.demo_cluster.picture import picture
from testbed.demo_cluster.rehearsal import LEAD, STEP, Rehearsal, scaled
from testbed.demo_cluster.telling import Progress
from testbed.demo_cluster.trace import AFTERWARDS, HISTORY, LENGTH, Trace, choose, steepest

NOW = datetime(2026, 11, 21, 10, 0, 30, tzinfo=UTC)
START = datetime(2026, 11, 14, 12, tzinfo=UTC)
MINUTE = timedelta(minutes=1)
CAPACITY = 10.0


def trace(values):
    return Trace(
        name="trace",
        origin="made for a test",
        demand=Series(key=SeriesKey.of("demand"), start=START, step=MINUTE, values=np.asarray(values, np.float64)),
        start=START,
        capacity_per_replica=CAPACITY,
        climb=3.0,
    )


def tick(at, demand=100.0, *, plain=10, ours=10, floor=10, state=None, peak=math.nan):
    pods = {
        stage.PLAIN: Pods(replicas=plain, ready=plain, floor=2),
        stage.FLOOR: Pods(replicas=ours, ready=ours, floor=floor),
    }
    scaler = {} if state is None else {"state": {**state.to_json(), "adopted": {"hpa": "shop"}}}
    return Tick(at=at, demand=demand, pods=pods, scaler=scaler, peak=peak, late=timedelta(seconds=1))


def two_hours(plain, ours):
    count = LENGTH // STEP
    return [tick(START + STEP * at, plain=plain, ours=ours, peak=120.0) for at in range(count)]


def test_the_steepest_stretch_has_the_climb_in_its_middle():
    values = np.concatenate([np.full(100, 5.0), np.linspace(5, 50, 20), np.full(100, 50.0)])
    first, climb = steepest(values, 60, 5)
    assert first + 30 == pytest.approx(110, abs=3)
    assert climb == pytest.approx(45.0)


def test_a_stretch_with_a_gap_is_none():
    values = np.concatenate([np.full(50, 1.0), np.linspace(1, 9, 30), np.full(50, 9.0)])
    values[65] = np.nan
    first, _ = steepest(values, 40, 5)
    assert not np.isnan(values[first : first + 40]).any()
    assert math.isnan(steepest(np.full(100, np.nan), 40, 5)[1])
    assert math.isnan(steepest(np.ones(10), 40, 5)[1])


@given(st.lists(st.floats(0, 1000), min_size=40, max_size=80), st.integers(20, 40))
def test_no_two_smoothed_points_of_a_stretch_are_further_apart_than_its_climb(values, length):
    series = np.array(values)
    first, climb = steepest(series, length, 5)
    means = np.array([series[at : at + 5].mean() for at in range(len(series) - 4)])
    highest = max(
        means[top] - means[foot] for top in range(len(means)) for foot in range(max(top - length + 5, 0), top + 1)
    )
    assert 0 <= first <= len(series) - length
    assert climb == pytest.approx(highest)


def test_without_real_traces_the_generated_fleet_plays_and_says_so():
    found = choose(None, None, NOW)
    assert "AIOPS_DATA_DIR" in found.origin
    assert found.demand.start == found.start - HISTORY
    assert found.demand.end == found.end + AFTERWARDS
    assert found.demand.end <= NOW
    assert not np.isnan(found.demand.values).any()
    assert found.climb > 5


def test_a_name_without_a_folder_is_refused():
    with pytest.raises(ConfigError, match="set AIOPS_DATA_DIR"):
        choose(None, "wc98_may", NOW)


def test_a_real_trace_is_moved_by_whole_weeks_into_the_recent_past(data_dir):
    found = choose(data_dir, "cc_cluster9", NOW)
    assert timedelta(0) <= NOW - found.demand.end < timedelta(weeks=1)
    assert f"{found.start:%A}" == "Tuesday"  # as it was, on 20 August 2024
    assert found.demand.end == found.end + AFTERWARDS


def test_every_program_reads_the_same_time_from_the_environment():
    from aiops.settings import ClockSettings

    rehearsal = Rehearsal(start=START, anchor=NOW, speed=30)
    prefix = "AIOPS_CLOCK__"
    said = {name.removeprefix(prefix).lower(): value for name, value in rehearsal.environment.items()}
    settings = ClockSettings.model_validate(said)
    assert (settings.start, settings.anchor, settings.speed) == (START, NOW, 30)
    assert rehearsal.real(timedelta(hours=2)) == timedelta(minutes=4)
    assert ("pod start-up (kwok)", "2 min", "4 s") in scaled(30)


def test_the_predictive_scaler_is_valid_and_wraps_the_hpa_that_is_there():
    import yaml

    written = yaml.safe_load(stage.predictive_scaler(41.64))
    spec = PredictiveScalerSpec.model_validate(written["spec"])
    assert spec.hpa is not None
    assert (spec.hpa.name, spec.target.name, written["metadata"]["namespace"]) == (stage.SHOP, stage.SHOP, stage.FLOOR)
    assert spec.bounds.min_replicas == stage.LEAST
    assert "$" not in spec.load.query


def test_what_was_seen_is_scored_as_a_backtest_is():
    seen = outcomes(trace(np.full(240, 100.0)), two_hours(plain=8, ours=11))
    assert seen.plain.unmet_ratio == pytest.approx(0.2)
    assert seen.plain.replica_hours == pytest.approx(16.0)
    assert seen.ours.unmet_ratio == 0.0
    assert seen.ours.replica_hours == pytest.approx(22.0)
    assert seen.forecast.tolist() == [12.0] * 480
    with pytest.raises(ValueError, match="479 ticks"):
        outcomes(trace(np.full(240, 100.0)), two_hours(plain=8, ours=11)[:-1])


@pytest.mark.parametrize(
    ("plain", "ours", "said"),
    [
        (8, 11, "The plain HPA left 20.00% of demand unmet; with the floor it was nothing, for 37.5% more pod-hours."),
        (8, 9, "The floor left 50% less demand unmet than the plain HPA, for 12.5% more pod-hours."),
        (9, 8, "The plain HPA did better: it left less demand unmet than with the floor, which took 11.1% fewer"),
        (9, 9, "Both left the same demand unmet; the floor cost the same pod-hours."),
        (10, 12, "Neither left any demand unmet; the floor cost 20.0% more pod-hours."),
    ],
)
def test_the_verdict_is_honest_whoever_wins(plain, ours, said):
    seen = outcomes(trace(np.full(240, 100.0)), two_hours(plain=plain, ours=ours))
    assert ending.verdict(seen).startswith(said)


def test_the_picture_needs_no_page_around_it():
    seen = outcomes(trace(np.full(240, 100.0)), two_hours(plain=8, ours=11))
    text = picture("a <heading>", "and a finding", ending.charts(seen))
    root = ElementTree.fromstring(text)
    words = "".join(root.itertext())
    assert root.tag == "{http://www.w3.org/2000/svg}svg"
    assert "a <heading>" in words
    assert "Floor (the HPA's minReplicas)" in words
    assert "var(--" not in text
    for tone in ("blue", "green", "purple", "grey"):
        assert f".line.{tone}" in text


def test_the_progress_tells_each_five_minutes_once_and_marks_what_is_missing():
    out = StringIO()
    progress = Progress(Console(file=out, width=200), trace(np.full(240, 100.0)))
    for each in two_hours(plain=8, ours=11):
        assert progress(each) is False
    lines = [line for line in out.getvalue().splitlines() if "█" in line]
    assert len(lines) == 24
    assert lines[0].split()[0] == "12:00"
    assert lines[0].split()[2:] == ["10", "8", "20.00%", "11", "10", "–"]


def trial_of(before, after, started=START):
    return ScalingState(
        decided_at=started, needs=((started, before),), trial=Trial(before=before, after=after, started=started)
    )


@pytest.mark.parametrize(
    ("state", "running", "later", "found"),
    [
        (trial_of(100, 80), 80, MINUTE, True),
        (trial_of(100, 80), 100, MINUTE, False),  # nothing is gone yet
        (trial_of(100, 80), 80, STEP, False),  # no good check yet
        (trial_of(100, 95), 95, MINUTE, False),  # too little to see
        (trial_of(80, 100), 70, MINUTE, False),  # growth harms nobody
        (None, 80, MINUTE, False),
    ],
)
def test_errors_begin_only_when_a_change_can_be_to_blame(state, running, later, found):
    assert (violation._harmful(tick(START + later, ours=running, state=state)) is not None) is found


def test_a_disturbance_leaves_the_load_alone_unless_asked():
    assert Disturbance().share(START) == 1.0
    assert timedelta(minutes=5) < LEAD  # longer than the HPA remembers


def test_what_is_held_in_the_background_is_left_in_the_thread_that_entered_it():
    threads = []

    @contextmanager
    def manager():
        threads.append(threading.current_thread())
        yield 7
        threads.append(threading.current_thread())

    with InBackground(manager()) as background:
        assert background.value() == 7
    assert threads[0] is threads[1] is not threading.current_thread()


def test_what_cannot_be_entered_is_said_where_it_is_needed():
    class Broken:
        def __enter__(self):
            raise RuntimeError("no port")

        def __exit__(self, *_):
            pass

    with InBackground(Broken()) as background, pytest.raises(RuntimeError, match="no port"):
        background.value()


def test_the_page_holds_both_and_the_rollback():
    seen = outcomes(trace(np.full(240, 100.0)), two_hours(plain=8, ours=11))
    assert isinstance(seen.plain, ScalingOutcome)
    after = [tick(START + LENGTH + STEP * at, ours=11) for at in range(40)]
    back = violation.RolledBack(
        trial=Trial(before=11, after=8, started=after[4].at),
        errors_from=after[10].at,
        rolled_back_at=after[20].at,
        floor_at=after[21].at,
        events=((after[20].at, "RolledBack", "8 -> 11"),),
        alert="taken back",
    )
    page = ending.report(trace(np.full(240, 100.0)), 30.0, seen, [*two_hours(8, 11), *after], back, "make demo-cluster")
    assert [section.title for section in page.sections] == [
        "The same load at both, at the same time", "A change that did harm is taken back", "How it was made",
    ]  # fmt: skip
    assert page.sections[1].tables[0].rows == back.events
