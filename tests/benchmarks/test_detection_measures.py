"""The figures of detection by hand, and VUS-PR beside its definition written out."""

from types import SimpleNamespace

import numpy as np
import pytest

from benchmarks.detection.__main__ import read
from benchmarks.detection.events import judge
from benchmarks.detection.measures import at_budget, delays, folds, nab, vus_pr


def one(labels, **more):
    about = {"step_seconds": 60.0, "probation": 0, "origin": "a", "group": "g"}
    return SimpleNamespace(labels=np.asarray(labels, dtype=float), **(about | more))


def labels(length, *runs):
    found = np.zeros(length)
    for first, last in runs:
        found[first : last + 1] = 1
    return found


def by_definition(scores, truth, window):
    """Range-AUC-PR of Boniol et al. for each buffer, every distinct score a threshold."""
    areas = []
    runs = [(i, j) for i, j in _runs(truth == 1)]
    for buffer in range(window + 1):
        soft = (truth == 1).astype(float)
        for first, last in runs:
            for k in range(1, buffer // 2 + 1):
                for place in (first - k, last + k):
                    if 0 <= place < len(soft):
                        soft[place] += np.sqrt(1 - k / buffer)
        soft = np.minimum(soft, 1)
        segments = _runs(soft > 0)
        area, before = 0.0, 0.0
        for threshold in np.unique(scores)[::-1]:
            predicted = scores >= threshold
            weights = np.where(truth == 1, 1.0, soft * predicted)
            hits = (weights * predicted).sum()
            positives = ((truth == 1).sum() + weights.sum()) / 2
            existing = np.mean([predicted[i : j + 1].any() for i, j in segments])
            recall = min(hits / positives, 1) * existing
            area += (recall - before) * hits / predicted.sum()
            before = recall
        areas.append(area)
    return np.mean(areas)


def _runs(flags):
    edges = np.diff(flags.astype(int), prepend=0, append=0)
    return list(zip(np.flatnonzero(edges == 1), np.flatnonzero(edges == -1) - 1, strict=True))


@pytest.mark.parametrize("seed", range(5))
def test_vus_pr_is_its_definition(seed):
    random = np.random.default_rng(seed)
    truth = labels(120, (20, 29), (35, 36), (100, 119))
    scores = random.integers(0, 15, 120) + 5 * truth
    assert vus_pr(scores, truth, 12) == pytest.approx(by_definition(scores, truth, 12))


def test_vus_pr_of_perfect_scores_is_near_one_and_of_none_unknown():
    truth = labels(500, (100, 149))
    assert vus_pr(truth, truth, 0) == pytest.approx(1.0)
    assert np.isnan(vus_pr(truth, np.zeros(500), 5))


def test_a_delay_counts_from_the_first_labelled_point():
    series = one(labels(300, (100, 120), (200, 220), (270, 280)))
    scores = np.zeros(300)
    scores[[97, 207]] = 1.0
    assert delays(series, scores, 0.5).tolist() == [0, 7]


def test_a_threshold_below_which_all_is_one_long_alert_is_not_chosen():
    series = [one(labels(2000, (1000, 1010)), group=str(number)) for number in range(5)]
    scores = [np.full(2000, 1.0) for _ in series]
    for own in scores:
        own[100:2000:50] = 2.0
        own[1005] = 3.0
    thresholds = np.array([0.5, 1.5, 2.5])
    judged = [judge(own, each.labels, 60.0, 0, thresholds) for own, each in zip(scores, series, strict=True)]
    assert judged[0].false_alerts[0] < judged[0].false_alerts[1]
    found = at_budget(series, scores, judged, thresholds, np.arange(5), budget=10.0)
    assert found.thresholds == (2.5, 2.5)
    assert (found.recall, found.false_alerts) == (1.0, 0.0)


def test_series_of_one_group_share_a_fold():
    groups = ["a", "b", "a", "c", "d", "e", "b"]
    for repetition in range(5):
        chosen = folds(groups, repetition)
        assert chosen[0] == chosen[2]
        assert chosen[1] == chosen[6]


def test_nab_is_a_hundred_for_detections_at_the_beginning_of_each_window_and_less_for_late_ones():
    series = [one(labels(1000, (500, 599)), origin="nab", group=str(number)) for number in range(5)]
    early, late, silent = ([np.zeros(1000) for _ in series] for _ in range(3))
    for number in range(5):
        early[number][500] = 1.0
        late[number][599] = 1.0
    fold = np.arange(5)
    assert nab(series, early, fold) == pytest.approx(100.0, abs=0.1)
    assert 45 < nab(series, late, fold) < 55
    assert nab(series, [own + 1e-9 * np.arange(1000) for own in silent], fold) < 60


def test_what_was_not_observed_does_not_cut_a_labelled_window_in_two(tmp_path):
    (tmp_path / "series").mkdir()
    rows = [f"{60 * t},{t % 7},{int(20 <= t < 60)}" for t in range(100) if not 40 <= t < 50]
    (tmp_path / "series" / "a.csv").write_text("\n".join(["timestamp,value,label", *rows]) + "\n")
    (tmp_path / "index.csv").write_text(
        "name,file,origin,group,step_s,probation,vus_window\na,series/a.csv,nab,g,60,10,5\n"
    )
    (found,) = read(tmp_path)
    assert found.at.tolist() == [60.0 * t for t in range(100) if not 40 <= t < 50]
    scores = np.where((found.at == 20 * 60) | (found.at == 0), 1.0, 0.0)
    alone = nab([found, found], [scores, scores], np.array([0, 1]))
    assert alone == pytest.approx(100.0, abs=1)
