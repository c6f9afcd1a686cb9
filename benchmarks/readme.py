"""Write the README's table of figures from the result files: python -m benchmarks.readme."""

import json
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
README = ROOT / "README.md"
BEGIN, END = "<!-- figures: made by `make docs` from benchmarks/ -->", "<!-- end of figures -->"
_COSTS = ("1.3", "1.5", "2.0")
_SCALERS = ("default HPA", "tuned HPA", "last-week", "prophet-daily", "holt-winters")


def main() -> None:
    text = README.read_text(encoding="utf-8")
    README.write_text(with_figures(text), encoding="utf-8")


def with_figures(readme: str) -> str:
    """Return the README with the figures of the result files between the two marks."""
    before, _, rest = readme.partition(BEGIN)
    _, _, after = rest.partition(END)
    return (
        "\n".join([before + BEGIN, *_scaling(), "", *_forecasting(), "", *_detection(), "", *_serving(), END]) + after
    )


def _scaling() -> list[str]:
    found = _read("scaling/results/scaling.json")
    unmet = found["unmet_percent_at_cost"]
    lines = [
        f"**Scaling**, {found['traces']} real 1-minute traces through a real Prometheus: share of demand left unmet, "
        "in the mean, when a scaler may cost so many times the replica-hours of the optimum that knows the future.",
        "",
        "| scaler | " + " | ".join(f"at {cost} x" for cost in _COSTS) + " |",
        "|---|" + "---|" * len(_COSTS),
    ]
    lines += [f"| {name} | " + " | ".join(f"{unmet[name][cost]:.2f} %" for cost in _COSTS) + " |" for name in _SCALERS]
    replay = found["replay"]
    lines += [
        "",
        f"Replaying {replay['days']:.0f} days of a 1-minute trace through one policy: {replay['seconds']:.1f} s.",
        "",
        _setting(),
    ]
    return lines


def _setting() -> str:
    found = _read("scaling/results/setting.json")
    figure = {row["figure"]: row["measured"] for row in found["figures"]}
    equal_cost, equal_unmet, each = (
        "unmet at equal cost, times less than the {} HPA",
        "replica-hours at equal unmet, % of the {} HPA",
        "each trace, times less unmet than the default HPA: {}",
    )
    broken = max(value for name, value in figure.items() if name.endswith("worst trace's unmet over the plain HPA's"))
    return (
        "The default policy (`boosted`), one setting for all traces: at its cost it leaves "
        f"{figure[equal_cost.format('default')]:.1f} times less unmet than the default HPA and "
        f"{figure[equal_cost.format('tuned')]:.1f} times less than the tuned one; for as much unmet it takes "
        f"{-figure[equal_unmet.format('default')]:.0f} and {-figure[equal_unmet.format('tuned')]:.0f} % fewer "
        f"replica-hours. Worst trace {figure[each.format('worst')]:.1f} times, median "
        f"{figure[each.format('median')]:.1f}; {figure['changes of the replicas a day']:.0f} changes a day. With "
        f"broken forecasts it leaves at most {broken:.2f} of what its HPA alone does."
    )


def _forecasting() -> list[str]:
    found = _read("forecasting/results.json")
    lines = [
        f"**Forecasting**, {len(found['series'])} series a day ahead at 5 minutes, relative to seasonal naive on the "
        "same windows: below 1 is better; "
        "the geometric mean over series, and the range of the middle 80 %.",
        "",
        "| forecaster | CRPS | MASE | middle 80 % | 80 % interval covers | seconds a series |",
        "|---|---|---|---|---|---|",
    ]
    lines += [
        f"| {row['model']} | {row['relative_crps']:.2f} | {row['relative_mase']:.2f} "
        f"| {row['relative_mase_low']:.2f} to {row['relative_mase_high']:.2f} "
        f"| {100 * row['coverage']:.0f} % | {row['seconds']:.3g} |"
        for row in found["models"]
    ]
    return [*lines, "", *_default_forecaster()]


def _default_forecaster() -> list[str]:
    found = _read("forecasting/protocol.json")
    day, covered = found["day"]["against_naive"], found["day"]["calibration"]["all"]
    return [
        f"`{found['model']}`, the default, on {day['windows']} windows of {day['series']} such series: "
        f"CRPS {day['CRPS']['geometric']:.2f}, MASE {day['MASE']['geometric']:.2f}, "
        f"worse than seasonal naive on {100 * day['worse_share']:.0f} % of the series, "
        f"80 % interval covers {100 * covered['coverage_80']:.0f} %, "
        f"{1 / found['cost']['series_a_core_second']:.2g} seconds a series; "
        f"M4 hourly: OWA {found['m4']['owa']:.2f}; a week ahead by the hour, against the same hour last week: "
        f"MASE {found['week']['against_last_week']['MASE']['geometric']:.2f}.",
    ]


def _detection() -> list[str]:
    found = _read("detection/results.json")
    kernel = found["kernel"]
    lines = [
        f"**Detection**, {found['series']} labelled series, {found['incidents']} incidents, one threshold for all of "
        "them, taken from other groups: share of incidents found at a budget of so many false alerts a series "
        f"and week. Slow rivals ran on a sample of {len(found['sample'])} series, and so did the others beside them.",
        "",
        "| detector | on | at 1 | at 0.1 | VUS-PR | NAB | µs a point |",
        "|---|---|---|---|---|---|---|",
    ]
    lines += [
        f"| {row['detector']} | {row['series']} series | {row['at']['1.0']['recall']:.2f} "
        f"| {row['at']['0.1']['recall']:.2f} | {row['vus_pr']:.2f} | {row.get('nab', float('nan')):.0f} "
        f"| {row['microseconds_a_point']:.3g} |".replace("| nan |", "| |")
        for row in found["rows"]
    ]
    lines += [
        "",
        f"The fleet detector takes {kernel['nanoseconds_a_point']} ns a point for {kernel['series']:,} series, "
        f"one core, and {kernel['bytes_a_series']:,} bytes a series. Asked for one alert a series-week it gave "
        f"{found['budget']['1.0']['alerts_a_series_week']:.2f}.",
    ]
    return lines


def _serving() -> list[str]:
    found = _read("serving/results.json")
    again = found["reload"]
    lines = [
        "**Serving** on one core, its client on another, beside a bare `grpc.aio` server that parses the same message; "
        "ratios are medians of interleaved rounds, with the range of the middle 80 %.",
        "",
        "| call | bare p50 | service p50 | service p99 | service p50 / bare p50 |",
        "|---|---|---|---|---|",
    ]
    lines += [
        f"| {label} | {row['echo_p50_milliseconds']:.2f} ms | {row['service_p50_milliseconds']:.2f} ms "
        f"| {row['service_p99_milliseconds']:.1f} ms "
        f"| {row['ratio_p50']:.2f} ({row['ratio_p50_low']:.2f} to {row['ratio_p50_high']:.2f}) |"
        for label, row in (("one point", found["single"]), (f"{found['batch']['rows']} points", found["batch"]))
    ]
    lines += [
        "",
        f"Batches, one after another: {found['batch']['samples_a_second']:,} samples a second. "
        f"Two bundles took each other's place {again['reloads']} times in {again['seconds']:.0f} s, under "
        f"{again['calls']:,} calls: {again['failed']} failed.",
    ]
    return lines


def _read(name: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((ROOT / "benchmarks" / name).read_text(encoding="utf-8"))
    return found


if __name__ == "__main__":
    main()
