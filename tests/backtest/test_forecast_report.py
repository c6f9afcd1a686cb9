import json
from datetime import UTC, datetime, timedelta

import pytest

from aiops.backtest.forecast_report import forecast_report
from aiops.backtest.forecasts import ForecastComparison, SeriesAccuracy, Skipped
from aiops.backtest.report import Report, to_html, to_json
from aiops.errors import DataError

NOW = datetime(2026, 11, 21, 10, 0, tzinfo=UTC)
NAIVE = "seasonal-naive"


def accuracies(model: str, loss: float, *, coverage: float = 0.8, error: float = 0.0) -> list[SeriesAccuracy]:
    """Three series, on which a model's CRPS is ``loss`` times 1, 2 and 4; its MASE too, unless ``error`` is given."""
    return [
        SeriesAccuracy(
            series_id=f"series {size}",
            model=model,
            origins=4,
            mase=(error or loss) * size,
            crps=loss * size,
            pinball=(0.1 * size, 0.3 * size, 0.2 * size),
            coverage=coverage,
            seconds=0.002,
        )
        for size in (1, 2, 4)
    ]


def made(*entries: list[SeriesAccuracy], skipped: tuple[Skipped, ...] = ()) -> Report:
    comparison = ForecastComparison(
        levels=(0.1, 0.5, 0.9),
        baseline=NAIVE,
        accuracies=tuple(each for entry in entries for each in entry),
        skipped=skipped,
    )
    return forecast_report(comparison, command="aiops backtest forecast", made_at=NOW, horizon=timedelta(hours=6))


def test_the_best_model_is_named_with_what_it_gains_and_what_its_intervals_hold():
    report = made(accuracies(NAIVE, 1.0), accuracies("holt-winters", 0.8, error=0.9), accuracies("mstl", 0.85))
    assert report.verdict == (
        "Holt-winters forecasts best 6 h ahead over 3 series: 20 % less CRPS and 10 % less error than seasonal-naive; "
        "its intervals cover 80 % where they promise 80 %."
    )


def test_a_gain_in_one_loss_does_not_hide_the_other_nor_do_intervals_that_fail():
    report = made(accuracies(NAIVE, 1.0), accuracies("mstl", 0.8, error=1.1, coverage=0.6))
    assert "20 % less CRPS and 10 % more error" in report.verdict
    assert report.verdict.endswith("but its intervals cover 60 % where they promise 80 %.")


@pytest.mark.parametrize(
    ("loss", "begins"),
    [
        (1.2, "Keep seasonal-naive: no model beats it 6 h ahead over 3 series; mstl comes next, with 1.2 times"),
        (0.99, "Mstl is hardly better than seasonal-naive 6 h ahead over 3 series: 0.99 times its CRPS"),
    ],
)
def test_the_baseline_wins_where_it_wins(loss, begins):
    assert made(accuracies(NAIVE, 1.0), accuracies("mstl", loss)).verdict.startswith(begins)


def test_the_baseline_alone_is_no_comparison():
    assert made(accuracies(NAIVE, 1.0)).verdict.startswith("Only seasonal-naive was tried")
    with pytest.raises(DataError, match="no series could be scored"):
        made(accuracies("mstl", 1.0))


def test_every_number_and_everything_left_out_is_in_the_document():
    late = accuracies("mstl", 0.8)[:2]
    left_out = Skipped(series_id="series 4", model="mstl", reason="no forecast: too little history")
    report = made(accuracies(NAIVE, 1.0), late, skipped=(left_out, left_out))
    document = json.loads(to_json(report))
    models, series = (section["tables"][0]["rows"] for section in document["sections"])
    assert [(row["model"], row["series"]) for row in models] == [("mstl", 2), (NAIVE, 3)]
    assert models[0]["relative_crps"] == pytest.approx(0.8, abs=1e-3)
    assert len(series) == 5
    assert series[0]["pinball_0.5"] == 0.3
    assert document["skipped"] == [{"series_id": "series 4", "reason": "mstl: no forecast: too little history"}]
    html = to_html(report)
    assert "as good as the baseline" in html
    assert "promised: 80 %" in html
