"""Pushed points: the same scores whatever the batches, and what is said of points that cannot be scored."""

import asyncio
import time
from datetime import UTC, datetime, timedelta

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from aiops.adapters.bundle_files import BundleFolder
from aiops.adapters.clock import SimulatedClock
from aiops.adapters.folder import FolderSource
from aiops.adapters.folder_models import FolderModels
from aiops.adapters.monitor_file import MonitorFile
from aiops.adapters.outbox import Outbox
from aiops.alerting.alert import Severity, Status
from aiops.detection.catalog import detector
from aiops.detection.detector import columns
from aiops.detection.scorer import Scorer
from aiops.errors import DataError, LimitError
from aiops.series import Frame, SeriesKey
from aiops.usecases.live import Limits, Live
from aiops.usecases.live_calls import PointBatch, ScoredBatch, Skipped
from tests.usecases.bundles import bundle

MINUTE = timedelta(minutes=1)
START = datetime(2026, 3, 2, tzinfo=UTC)
POINTS = 400
KEYS = tuple(SeriesKey.of("requests", {"service": name}) for name in ("checkout", "search", "admin"))


class Nowhere:
    """A sink that is never reached: these tests run no delivery."""

    async def send(self, alerts):
        raise AssertionError("nothing is delivered here")


def live(now=START + POINTS * MINUTE, detectors=("residual",), **limits):
    clock = SimulatedClock(now)
    scorer = Scorer([detector(name) for name in detectors])
    return Live(clock=clock, scorer=scorer, outbox=Outbox(None, Nowhere(), clock), limits=Limits(**limits))


def values(seed=0):
    found = np.random.default_rng(seed).lognormal(3, 0.1, (len(KEYS), POINTS))
    found[1, 50:60] = np.nan
    found[0, 350:360] *= 5
    return found


def batch(points, keys=KEYS):
    """Points as (series, minute, value)."""
    return PointBatch(
        keys=keys,
        series=np.array([each[0] for each in points], dtype=np.int64),
        at=np.array([START.timestamp() + 60.0 * each[1] for each in points]),
        values=np.array([each[2] for each in points], dtype=np.float64),
    )


def said(scored: ScoredBatch):
    names = ("score", "expected", "lower", "upper", "detector", "warming_up")
    return [tuple(getattr(scored, name)[row].tobytes() for name in names) for row in range(len(scored.score))]


def every_point():
    found = values()
    return [(row, minute, float(found[row, minute])) for minute in range(POINTS) for row in range(len(KEYS))]


def one_by_one():
    service, found = live(), {}
    for series, minute, value in every_point():
        scored = service.score(batch([(0, minute, value)], keys=(KEYS[series],)))
        (found[series, minute],) = said(scored)
    return found


ALONE = one_by_one()


@settings(max_examples=8)
@given(data=st.data())
def test_the_batches_change_no_bit_of_a_score(data):
    order = data.draw(st.sampled_from(["by time", "by series", "mixed"]))
    points = every_point()
    if order == "by series":
        points.sort(key=lambda each: (each[0], each[1]))
    if order == "mixed":  # series run ahead of each other, each in its own order
        lead = data.draw(st.lists(st.integers(0, 300), min_size=3, max_size=3))
        points.sort(key=lambda each: each[1] + lead[each[0]])
    service, begin = live(), 0
    while begin < len(points):
        size = data.draw(st.sampled_from([1, 2, 3, 7, 100, 1000]))
        part = points[begin : begin + size]
        data.draw(st.randoms(use_true_random=False)).shuffle(part)  # inside a batch the stamps give the order
        for (series, minute, _), got in zip(part, said(service.score(batch(part))), strict=True):
            assert got == ALONE[series, minute]
        begin += size


def test_the_scores_are_those_of_the_scorer_itself():
    scorer = Scorer([detector("residual")])
    state = scorer.start(1)
    frame = Frame(keys=KEYS[:1], start=START, step=MINUTE, values=values()[:1])
    expected = np.array([scorer.step(state, points).values[0] for points in columns(frame)])
    got = live().score(batch([(0, minute, float(frame.values[0, minute])) for minute in range(POINTS)]))
    np.testing.assert_array_equal(got.score, expected)
    assert (got.score[350:353] > 0.999).all(), "five times as much is odd"
    assert got.warming_up[:60].all()
    assert not got.warming_up[300:].any()


def test_what_was_sent_is_skipped_when_it_is_sent_again():
    service = live()
    points = every_point()
    service.score(batch(points))
    again = service.score(batch(points))
    observed = ~np.isnan([value for _, _, value in points])
    assert set(again.skipped[observed]) == {Skipped.DUPLICATE}
    assert not again.score.any()
    assert again.changes == ()
    extra = (0, POINTS, 20.0)
    once, other = live(), live()
    once.score(batch(points))
    other.score(batch(points))
    other.score(batch(points))
    assert said(once.score(batch([extra]))) == said(other.score(batch([extra])))


def test_a_point_before_the_newest_is_late_and_a_gap_can_still_be_filled_by_the_next():
    service = live()
    service.score(batch([(0, minute, 20.0) for minute in range(10)]))
    scored = service.score(batch([(0, 12, 20.0), (0, 13, float("nan"))]))
    assert scored.skipped.tolist() == [Skipped.NO, Skipped.NO]
    scored = service.score(batch([(0, 11, 20.0), (0, 12, 21.0), (0, 13, 20.0)]))
    assert scored.skipped.tolist() == [Skipped.LATE, Skipped.DUPLICATE, Skipped.NO]


def test_a_stamp_inside_a_step_belongs_to_it():
    service = live()
    assert service.score(batch([(0, 5.4, 20.0)])).skipped.tolist() == [Skipped.NO]
    assert service.score(batch([(0, 5.9, 20.0), (0, 6.0, 20.0)])).skipped.tolist() == [Skipped.DUPLICATE, Skipped.NO]


def test_a_point_of_the_future_refuses_the_whole_batch():
    service = live(now=START)
    with pytest.raises(DataError, match=r"checkout.*2026-03-02T01:00:00\+00:00 is more than 1m ahead of our clock"):
        service.score(batch([(1, 0, 1.0), (0, 60, 1.0)]))
    assert service.score(batch([(1, 0, 1.0)])).skipped.tolist() == [Skipped.NO], "nothing of it was taken"


def test_pushed_series_are_bounded_and_a_refused_batch_changes_nothing():
    service = live(pushed=2)
    with pytest.raises(
        LimitError, match=r"3 new series are pushed, such as .*checkout.*, and of the 2 that are taken 2"
    ):
        service.score(batch([(0, 0, 1.0), (1, 0, 1.0), (2, 0, 1.0)]))
    service.score(batch([(0, 0, 1.0), (1, 0, 1.0)]))
    with pytest.raises(LimitError, match="admin"):
        service.score(batch([(0, 1, 1.0), (2, 0, 1.0)]))
    assert service.score(batch([(0, 1, 1.0)])).skipped.tolist() == [Skipped.NO]
    assert service.health().pushed_series == 2


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"series": np.array([3])}, r"series indices lie in 0..2 here, got 3..3"),
        ({"series": np.array([-1])}, "got -1..-1"),
        ({"at": np.array([np.nan])}, "finite number"),
        ({"values": np.array([np.inf])}, "checkout.*: values must be finite"),
        ({"values": np.array([1.0, 2.0])}, "got 1, 1 and 2"),
        ({"keys": (KEYS[0], KEYS[0])}, "names each series once"),
    ],
)
def test_a_batch_that_is_none_is_refused(changes, message):
    right = {"keys": KEYS, "series": np.array([0]), "at": np.array([0.0]), "values": np.array([1.0])}
    with pytest.raises(DataError, match=message):
        PointBatch(**{**right, **changes})


def test_an_empty_batch_is_answered():
    assert len(live().score(batch([])).score) == 0


def test_trouble_that_is_pushed_is_a_page_and_its_end_resolves_it():
    service = live(now=START)
    noise = np.random.default_rng(4).normal(100, 1, 1600)
    noise[1500:1510] = 500
    changes = []
    for minute, value in enumerate(noise.tolist()):
        service._clock.advance(MINUTE)
        changes += service.score(batch([(0, minute, value)])).changes
    last = changes[-2:]
    assert [each.status for each in last] == [Status.FIRING, Status.RESOLVED]
    assert last[0].severity is Severity.PAGE
    assert last[0].starts_at == START + 1500 * MINUTE
    assert last[0].labels["metric"] == "requests"
    assert last[0].fingerprint == last[1].fingerprint


def test_several_detectors_give_the_same_scores_in_any_batches():
    points = every_point()
    alone, together = live(detectors=("residual", "halfspace")), live(detectors=("residual", "halfspace"))
    single = [
        said(alone.score(batch([(0, minute, value)], keys=(KEYS[series],))))[0] for series, minute, value in points
    ]
    assert said(together.score(batch(points))) == single


def test_a_batch_names_the_detectors_of_every_series_in_it(tmp_path):
    """A monitor may have detectors of its own, and a call may bring points of its series and of others."""
    path = tmp_path / "monitors.yaml"
    path.write_text(
        "apiVersion: aiops.dev/v1alpha1\nkind: AnomalyMonitor\nmetadata: {name: queue}\n"
        "spec: {query: queue, detectors: [gaussian, quantile]}\n"
    )
    clock = SimulatedClock(START + POINTS * MINUTE)
    service = Live(
        clock=clock,
        scorer=Scorer([detector("residual")]),
        outbox=Outbox(None, Nowhere(), clock),
        source=FolderSource(tmp_path),
        watched=MonitorFile(path),
    )
    service._monitors.running["queue"].series.join([(KEYS[1], "")], {})
    jump = values()[:2].copy()
    jump[:, -1] *= 50
    both = [(row, minute, float(jump[row, minute])) for minute in range(POINTS) for row in (0, 1)]
    scored = service.score(batch(both, KEYS[:2]))
    assert scored.detectors == ("residual", "gaussian", "quantile")
    assert scored.detectors[scored.detector[-2]] == "residual"
    assert scored.detectors[scored.detector[-1]] in ("gaussian", "quantile")
    assert scored.detector[:2].tolist() == [-1, -1], "nobody had an opinion of the first points"


def test_a_new_champion_under_load_fails_no_call_and_widens_no_pause(tmp_path):
    """Bundles of a hundred series are swapped while points are pushed: each call is answered, and briefly."""
    keys = tuple(SeriesKey.of("requests", {"pod": str(number)}) for number in range(100))
    shelf, link = BundleFolder(tmp_path / "shelf"), tmp_path / "current"
    found = [
        shelf.keep(bundle(keys, START - (3 - number) * MINUTE, np.full((100, 600), 100 + 0.01 * number)))
        for number in range(3)
    ]
    link.symlink_to(found[0].path)
    clock = SimulatedClock(START + 2000 * MINUTE)
    scorer = Scorer([detector("residual")])
    outbox = Outbox(None, Nowhere(), clock)
    service = Live(clock=clock, scorer=scorer, outbox=outbox, store=FolderModels(link), model="fleet")
    noise = np.random.default_rng(0)

    async def run():
        minute = 0
        pauses: list[float] = []
        champions: set[str] = set()
        watch = service._champion
        assert watch is not None
        for each in found:
            link.unlink()
            link.symlink_to(each.path)
            look = asyncio.create_task(watch.look())
            swapped = 0
            while swapped < 50:
                began = time.perf_counter()
                part = PointBatch(
                    keys=keys,
                    series=np.arange(100),
                    at=np.full(100, START.timestamp() + 60.0 * minute),
                    values=noise.normal(100, 1, 100),
                )
                assert not service.score(part).skipped.any()
                pauses.append(time.perf_counter() - began)
                minute += 1
                swapped += look.done()
                champions.update({watch.current.version.digest} if watch.current is not None else ())
                await asyncio.sleep(0)
            await look
        return pauses, champions

    pauses, champions = asyncio.run(run())
    assert {each.digest for each in found} <= champions
    print(f"{len(pauses)} calls of 100 points, longest {1000 * max(pauses):.0f} ms")
    assert max(pauses) < 0.5  # measured 0.1


def test_series_that_are_forgotten_leave_nothing_behind():
    """Names of pods come and go, and the service stays up for months."""
    clock = SimulatedClock(START + 10 * MINUTE)
    service = Live(clock=clock, scorer=Scorer([detector("residual")]), outbox=Outbox(None, Nowhere(), clock))

    async def run():
        for minute in range(2):
            service.score(batch([(row, minute, 20.0) for row in range(len(KEYS))]))
        assert set(service._index) == set(KEYS)
        clock.advance(timedelta(days=2))
        service.score(batch([(0, 2 * 1440, 20.0)], keys=KEYS[:1]))
        task = asyncio.create_task(service._tick())
        await asyncio.sleep(0)
        task.cancel()

    asyncio.run(run())
    assert service.health().pushed_series == 1
    assert set(service._index) == set(KEYS[:1])
