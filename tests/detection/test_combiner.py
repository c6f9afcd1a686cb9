"""A combiner: learns what labels say, changes nothing else, and gives the same bits alone, in batches and as a file."""

import json

import numpy as np
import pytest

from aiops.adapters.combiner_file import read_combiner, write_combiner
from aiops.detection.calibration import RAREST
from aiops.detection.combiner import CombinedDetector, Combiner
from aiops.detection.combiner_fit import Example, learn, lesson
from aiops.detection.combiner_record import SAID_A_WEEK
from aiops.detection.detector import Explained, Points
from aiops.detection.fleet import FleetDetector
from aiops.errors import ConfigError, DataError

STEP = 300.0
DAY = 288


def drops_and_jumps(seed: int) -> Example:
    """Return four weeks in which drops are incidents, and jumps, which are as high and as many, are not."""
    random = np.random.default_rng(seed)
    n = 28 * DAY
    values = 100.0 + 10.0 * np.sin(2 * np.pi * np.arange(n) / DAY) + random.standard_normal(n)
    labels = np.zeros(n)
    for place in random.choice(np.arange(2000, n - 10, 40), 14, replace=False):
        drops = random.random() < 0.5
        values[place : place + 3] += -25.0 if drops else 25.0
        labels[place : place + 3] = drops
    at = np.asarray(1.7e9 + STEP * np.arange(n), dtype=np.float64)
    return Example(at=at, values=values, labels=labels, step_seconds=STEP, probation=2 * DAY, group=str(seed))


@pytest.fixture(scope="module")
def lessons():
    return [lesson(drops_and_jumps(seed)) for seed in range(8)]


@pytest.fixture(scope="module")
def combiner(lessons) -> Combiner:
    return learn(lessons)


@pytest.fixture(scope="module")
def unseen() -> Example:
    return drops_and_jumps(99)


@pytest.fixture
def written(combiner, tmp_path):
    path = tmp_path / "combiner.json"
    write_combiner(combiner, path)
    return path


def test_what_labels_say_holds_on_a_series_that_it_has_not_seen(combiner, unseen):
    alone = FleetDetector().replay(unseen.at, unseen.values)[0]
    together = CombinedDetector(combiner).replay(unseen.at, unseen.values)[0]
    first = np.flatnonzero((unseen.values < 80) | (unseen.values > 120))
    trouble = first[unseen.labels[first] == 1]
    rest = first[(unseen.labels[first] == 0) & (alone[first] < 0.3)]
    assert len(trouble) >= 5
    assert len(rest) >= 5
    assert (together[trouble] < 0.1).all(), "an incident is called rarer than once in ten weeks"
    assert (together[rest] > 1.0).all(), "what people do not care for is called an ordinary thing of the week"


def test_points_that_are_not_odd_keep_the_word_of_the_fleet_detector(combiner, unseen):
    alone = FleetDetector().replay(unseen.at, unseen.values)
    together = CombinedDetector(combiner).replay(unseen.at, unseen.values)
    same = ~(alone[0] < SAID_A_WEEK)
    assert 0.98 < same.mean() < 1.0
    np.testing.assert_array_equal(together[0, same], alone[0, same])
    np.testing.assert_array_equal(together[1], alone[1])


def test_a_stream_a_batch_and_a_prefix_give_the_same_bits(combiner, unseen):
    at, values = unseen.at[:2500], unseen.values[:2500].copy()
    values[2300:2310] = np.nan
    detector = CombinedDetector(combiner)
    whole = detector.replay(at, values)[0]
    np.testing.assert_array_equal(detector.replay(at[:2420], values[:2420])[0], whole[:2420])

    state, single = detector.start(3), detector.start(1)  # between other series, point by point; and alone, at once
    past = np.zeros(2100, dtype=np.int64)
    detector.learn(state, Points.unforecast(past, at[:2100], values[:2100]))
    detector.learn(single, Points.unforecast(past, at[:2100], values[:2100]))
    others = np.random.default_rng(0).standard_normal((2, 400))
    raw = np.array(
        [
            detector.step(state, Points.unforecast(np.array([2, 0, 1]), np.full(3, stamp), np.array([a, value, b])))[1]
            for stamp, value, a, b in zip(at[2100:], values[2100:], *others, strict=True)
        ]
    )
    batch = detector.step(single, Points.unforecast(past[:400], at[2100:], values[2100:]))
    np.testing.assert_array_equal(raw, batch)
    assert single[0].tobytes() == state[0].tobytes()
    assert (whole[2100:] < SAID_A_WEEK).any()
    assert np.nanmax(raw) <= 1 / RAREST


def test_asking_for_a_score_changes_nothing(combiner, unseen):
    detector = CombinedDetector(combiner)
    state = detector.start(1)
    rows = np.zeros(2500, dtype=np.int64)
    detector.learn(state, Points.unforecast(rows, unseen.at[:2500], unseen.values[:2500]))
    before = state.tobytes()
    point = Points.unforecast(rows[:1], unseen.at[2500:2501], np.array([40.0]))
    said = detector.score(state, point)
    assert state.tobytes() == before
    assert said == detector.step(state, point)


def test_it_says_what_the_views_of_the_fleet_detector_saw(combiner, unseen):
    detector, fleet = CombinedDetector(combiner), FleetDetector()
    state, below = detector.start(2), fleet.start(1)
    rows = np.zeros(2500, dtype=np.int64)
    detector.learn(state, Points.unforecast(rows + 1, unseen.at[:2500], unseen.values[:2500]))
    fleet.learn(below, Points.unforecast(rows, unseen.at[:2500], unseen.values[:2500]))
    assert isinstance(detector, Explained)
    assert len(detector.contributions(state, 1)) == 5
    assert detector.contributions(state, 1) == fleet.contributions(below, 0)
    assert detector.contributions(state, 0) == ()


def test_alerts_a_week_are_what_unseen_groups_gave(lessons):
    """Labels are drawn by lot: the combiner must say that its word is worth little, not that all is rare."""
    random = np.random.default_rng(0)
    shuffled = []
    for each in lessons:
        events = np.where(each.incident >= 0, each.incident, 100 + each.alert)
        names = np.unique(events)
        trouble = dict(zip(names.tolist(), (random.random(len(names)) < 0.5).tolist(), strict=True))
        mine = np.array([trouble[event] for event in events.tolist()])
        number = np.searchsorted(names, events)
        shuffled.append(
            type(each)(
                group=each.group,
                table=each.table,
                incident=np.where(mine, number, -1),
                alert=np.where(mine, -1, number),
                incidents=len(np.unique(number[mine])),
                weeks=each.weeks,
            )
        )
    about = learn(shuffled).about
    assert about["recall_at_0.1"] < 0.4
    assert learn(lessons).about["recall_at_0.1"] > 0.9


def test_too_little_is_refused(lessons):
    with pytest.raises(DataError, match="needs 20 incidents and 20 false alerts"):
        learn(lessons[:2])
    with pytest.raises(DataError, match="2 groups"):
        learn(
            [
                type(lessons[0])(**{name: getattr(each, name) for name in each.__slots__} | {"group": "one"})
                for each in lessons
            ]
        )


def test_a_file_gives_back_the_same_bits(combiner, written, unseen, tmp_path):
    found = read_combiner(written)
    np.testing.assert_array_equal(
        CombinedDetector(found).replay(unseen.at, unseen.values),
        CombinedDetector(combiner).replay(unseen.at, unseen.values),
    )
    write_combiner(found, tmp_path / "again.json")
    assert (tmp_path / "again.json").read_bytes() == written.read_bytes()


def signed(body):
    """Sign a body as its writer would have: what is wrong with it has to be found by itself."""
    from aiops.adapters import combiner_file

    del body["sha256"]
    return body | {"sha256": combiner_file._digest(body)}


def _with(path, value):
    def change(body):
        place = body
        for name in path[:-1]:
            place = place[name]
        place[path[-1]] = value
        return signed(body)

    return change


BROKEN = {
    "changed": (lambda body: body | {"knots": [0.0, 1.0]}, "SHA-256"),
    "another format": (lambda body: body | {"format": "pickle"}, "format"),
    "a list": (lambda _: [1, 2], "format"),
    "other features": (_with(["features"], ["hour"]), "another version"),
    "a loop": (_with(["trees", "left", 0], 0), "leads nowhere"),
    "a feature too many": (_with(["trees", "feature", 0], 21), "leads nowhere"),
    "a leaf that is not there": (_with(["trees", "roots", 0], -1_000_000), "leads nowhere"),
    "fewer thresholds": (_with(["trees", "threshold"], [0.5]), "leads nowhere"),
    "an infinite leaf": (_with(["trees", "leaves", 0], float("inf")), "finite"),
    "a text": (_with(["trees", "leaves", 0], "1"), "finite"),
    "a node beyond all numbers": (_with(["trees", "roots", 0], 10**30), "no int32"),
    "a leaf beyond all numbers": (_with(["trees", "leaves", 0], 10**400), "no float64"),
    "half a node": (_with(["trees", "feature", 0], 0.5), "no int32"),
    "knots that fall": (_with(["knots", 0], 1e9), "increase"),
    "no trees": (_with(["trees"], {}), "no combiner"),
}


@pytest.mark.parametrize("name", BROKEN)
def test_a_broken_file_is_refused(name, written):
    change, said = BROKEN[name]
    written.write_text(json.dumps(change(json.loads(written.read_bytes()))))
    with pytest.raises(ConfigError, match=said) as refused:
        read_combiner(written)
    assert str(written) in str(refused.value)
    assert "train-combiner" in str(refused.value)


@pytest.mark.parametrize("content", [b"", b"{", b"\x80\x04}q\x00.", b"[" * 100_000])
def test_what_is_no_json_is_refused(content, written):
    written.write_bytes(content)
    with pytest.raises(ConfigError, match="is no combiner"):
        read_combiner(written)
