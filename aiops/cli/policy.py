"""``aiops policy``: whether a policy is right, what it decides in a situation, and what it would have decided."""

from __future__ import annotations

from datetime import datetime, timedelta
from pathlib import Path
from typing import Annotated

import typer

from aiops.cli.options import FormatOption, OutputOption, SourceOption, StartupOption, instant, lasting
from aiops.cli.output import (
    Format,
    end_partially,
    messages,
    progress,
    require_apart,
    require_writable,
    write_table,
    write_text,
)
from aiops.errors import ConfigError

app = typer.Typer(
    no_args_is_help=True,
    rich_markup_mode="markdown",
    help="""
Example: `aiops policy check policies/`

Whether a policy is right, what it decides and why, what it would have decided.
""",
)


@app.command(short_help="Mistakes with their lines, risky settings, scenarios.")
def check(
    files: Annotated[
        list[Path] | None,
        typer.Argument(
            help="Policies: a PredictiveScaler or a bare spec each; or folders of them.", show_default=False
        ),
    ] = None,
    scenarios: Annotated[
        list[Path] | None,
        typer.Option("--scenarios", help="Stories to play: a file or a folder; may be given again."),
    ] = None,
    startup: StartupOption = timedelta(seconds=120),
    form: FormatOption = Format.TABLE,
    output: OutputOption = None,
) -> None:
    """Example: `aiops policy check policies/ --scenarios scenarios/`

    Refuse what the API server would refuse, with file and line, and warn of settings that are allowed and risky. Play
    stories: what is seen turn by turn, and what must be decided; a story that has no policy of its own is played under
    every policy that is given.

    Ends with 0 if nothing is wrong (warnings may be there), with 2 if anything is, or a story went another way.
    """
    from aiops.adapters.clock import SystemClock
    from aiops.usecases.policies import check_policies, check_scenarios

    if not files and not scenarios:
        raise ConfigError("nothing to check: name policies, or give --scenarios")
    require_writable(output)
    policies = files or []
    require_apart([*policies, *(scenarios or [])], output)
    found = [*check_policies(policies, startup, SystemClock().now()), *check_scenarios(scenarios or [], policies)]
    write_table([each._asdict() for each in found], form, output)
    wrong = sum(each.verdict == "error" for each in found)
    if wrong:
        raise ConfigError(f"{wrong} thing{'s' if wrong > 1 else ''} wrong: see above")


@app.command(short_help="What a policy decides in a situation, rule by rule.")
def explain(
    file: Annotated[Path, typer.Argument(help="The policy.", show_default=False)],
    current: Annotated[
        int, typer.Option("--current", min=0, help="The number that is controlled, now.", show_default=False)
    ],
    load: Annotated[
        float | None, typer.Option("--load", help="Present demand.", show_default="not known: nothing shrinks")
    ] = None,
    forecast: Annotated[
        float | None,
        typer.Option(
            "--forecast", help="Highest demand forecast for the window.", show_default="none: nothing shrinks"
        ),
    ] = None,
    later: Annotated[
        float | None,
        typer.Option(
            "--later", help="Highest demand forecast for as far as scaleDown.lookAhead.", show_default="not more"
        ),
    ] = None,
    needed: Annotated[
        int | None,
        typer.Option("--needed", min=0, help="The most replicas that a turn of the stabilization window asked for."),
    ] = None,
    usual: Annotated[
        float | None, typer.Option("--usual", help="Highest demand around this hour of the last three days.")
    ] = None,
    slo: Annotated[
        list[str] | None,
        typer.Option("--slo", help="Answer to an SLO query of the guard: NAME=NUMBER; may be given again. Else good."),
    ] = None,
    ready: Annotated[int | None, typer.Option("--ready", min=0, help="Replicas that serve.")] = None,
    ceiling: Annotated[int | None, typer.Option("--ceiling", min=0, help="The HPA's maxReplicas.")] = None,
    baseline: Annotated[int | None, typer.Option("--baseline", min=0, help="The HPA's own minReplicas.")] = None,
    trusted: Annotated[
        bool, typer.Option("--trusted/--distrusted", help="Whether forecasts served no worse than reactive scaling.")
    ] = True,
    at: Annotated[
        datetime | None,
        typer.Option("--at", parser=instant, metavar="INSTANT", help="When.", show_default="now"),
    ] = None,
    form: FormatOption = Format.TABLE,
    output: OutputOption = None,
) -> None:
    """Example: `aiops policy explain policy.yaml --current 8 --load 300 --forecast 900`

    Decide once, by the functions of the operator, and print what each rule made of the number, in their order, with the
    key where the rule is written. The state before is one in which nothing is on trial.
    """
    from aiops.adapters.clock import SystemClock
    from aiops.scaling.explain import Situation
    from aiops.scaling.explain import explain as explained
    from aiops.usecases.policies import read_policy

    require_writable(output)
    require_apart([file], output)
    policy = read_policy(file).policy
    situation = Situation(
        at=at or SystemClock().now(),
        current=current,
        demand=load,
        forecast=forecast,
        later=later,
        needed=needed,
        usual=usual,
        readings=_readings(slo or [], [] if policy.guard is None else [each.name for each in policy.guard.slos]),
        ready=ready,
        ceiling=ceiling,
        baseline=baseline,
        trusted=trusted,
    )
    _, rules = explained(policy, situation)
    write_table([each._asdict() for each in rules], form, output)


@app.command(short_help="What a policy would have decided on a history.")
def simulate(
    file: Annotated[Path, typer.Argument(help="The policy.", show_default=False)],
    source: SourceOption,
    series: Annotated[
        str | None, typer.Option("--series", help="A series id, or a pattern like 'shop_*'.", show_default="all")
    ] = None,
    scored: Annotated[
        timedelta,
        lasting(
            "--scored", "Length of the simulated end, where index.csv does not say; at most half of the history.", "1d"
        ),
    ] = timedelta(days=1),
    startup: StartupOption = timedelta(seconds=120),
    scenario: Annotated[
        Path | None,
        typer.Option("--scenario", help="Also write the end of what was seen as a story that `policy check` plays."),
    ] = None,
    told: Annotated[
        timedelta,
        lasting("--told", "Length of that story.", "1h"),
    ] = timedelta(hours=1),
    form: FormatOption = Format.TABLE,
    output: OutputOption = None,
) -> None:
    """Example: `aiops policy simulate policy.yaml --source traces/ --series shop`

    Replay a history through the policy as a floor, and print every decision that changed the number, with its reason.
    What each decision knew is what had ended by then. `aiops backtest scaling` says what that is worth.
    """
    from aiops import wiring
    from aiops.adapters.clock import SystemClock
    from aiops.backtest.study import Contender
    from aiops.forecasting.catalog import window_forecaster
    from aiops.usecases.backtest import Replay, cases_from
    from aiops.usecases.policies import read_policy
    from aiops.usecases.simulate import simulate as simulated

    require_writable(output, scenario)
    require_apart([file, source], output, scenario)
    policy = read_policy(file).policy
    reading = wiring.read(wiring.Request(source=source, query=series), wiring.settings(), SystemClock())
    replay = Replay(capacity_per_replica=policy.load.capacity_per_replica, startup_delay=startup, scored=scored)
    cases, unfit = cases_from(reading.telemetry.series, reading.metadata, replay)
    if scenario is not None and len(cases) > 1:
        raise ConfigError(f"--scenario is of one workload, and {len(cases)} were found: give --series")
    contender = Contender(
        name=file.stem, policy=policy, forecaster=window_forecaster(policy.forecast.model), own_window=True
    )
    rows: list[dict[str, object]] = []
    with progress("simulating") as advance:
        for done, case in enumerate(cases, start=1):
            found = simulated(case, contender)
            rows += found.changes()
            counts = ", ".join(f"{reason} {count}" for reason, count in found.reasons())
            messages.print(f"{found.name}: {len(found.turns)} decisions: {counts}", markup=False)
            if scenario is not None:
                write_text(scenario, found.scenario(case.end - told, told))
            advance(done, len(cases))
    write_table(rows, form, output, title=f"changes by {file}")
    end_partially((*reading.telemetry.skipped, *unfit), reading.telemetry.warnings)


def _readings(given: list[str], names: list[str]) -> dict[str, float | None]:
    found: dict[str, float | None] = {}
    for text in given:
        name, divider, number = text.partition("=")
        if not divider or name not in names:
            raise ConfigError(f"--slo {text}: write NAME=NUMBER with one of {', '.join(names) or 'no SLO: no guard'}")
        try:
            found[name] = float(number)
        except ValueError:
            raise ConfigError(f"--slo {text}: {number!r} is not a number") from None
    return found
