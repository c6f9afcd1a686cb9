"""``aiops ledger``: what a PredictiveScaler did each day, beside what the plain HPA and the oracle would have done."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Annotated

import typer

from aiops.cli.options import EndOption, FormatOption, OutputOption, StartupOption, lasting
from aiops.cli.output import Format, require_apart, write_table
from aiops.errors import ConfigError


def ledger(
    source: Annotated[str, typer.Option("--source", help="URL of the Prometheus that scrapes the operator.")],
    scaler: Annotated[str, typer.Option("--scaler", metavar="NAMESPACE/NAME", help="The PredictiveScaler.")],
    policy: Annotated[
        Path, typer.Option("--policy", help="The PredictiveScaler in YAML: its query, capacity and bounds.")
    ],
    hpa_target: Annotated[
        float, typer.Option("--hpa-target", help="Share of a replica's capacity that its HPA aims at.")
    ] = 0.7,
    startup: StartupOption = timedelta(seconds=120),
    history: Annotated[
        timedelta,
        lasting("--history", "How far back.", "7d"),
    ] = timedelta(days=7),
    end: EndOption = None,
    form: FormatOption = Format.TABLE,
    output: OutputOption = None,
) -> None:
    """Example: `aiops ledger --source http://localhost:9090 --scaler shop/checkout --policy checkout.yaml`

    For each day: demand left unmet and replica-hours of what was done, of the plain HPA, of the HPA above the floor
    that was decided, and of the oracle that knows the future. In mode Shadow nothing was done by us: the third says
    what the floor would have been worth.
    """
    from aiops import telemetry, wiring
    from aiops.adapters.clock import SystemClock
    from aiops.scaling.policy_file import load_policy
    from aiops.scaling.resource import PredictiveScalerSpec
    from aiops.series import Series
    from aiops.usecases.ledger import Watched, read_ledger, rows

    telemetry.configure()
    namespace, _, name = scaler.partition("/")
    if (
        not namespace
        or not name
        or not all(part.replace("-", "").replace(".", "").isalnum() for part in (namespace, name))
    ):
        raise ConfigError(f"--scaler {scaler!r}: write its namespace and its name, such as shop/checkout")
    try:
        text = policy.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"cannot read the policy {policy}: {error}") from error
    spec = load_policy(text, str(policy))
    if not isinstance(spec, PredictiveScalerSpec):
        raise ConfigError(f"{policy}: a ledger needs the whole PredictiveScaler: target and load.query are missing")
    require_apart([policy, source], output)
    configured, clock = wiring.settings(), SystemClock()
    until = end or clock.now()

    def read(query: str) -> tuple[Series, ...]:
        request = wiring.Request(source=source, query=query, history=history, step=spec.load.step, end=until)
        return tuple(wiring.read(request, configured, clock).telemetry.series)

    watched = Watched(namespace=namespace, name=name, spec=spec, hpa_target=hpa_target, startup_delay=startup)
    write_table(rows(read_ledger(watched, read)), form, output, title=f"{scaler}, {spec.mode}: each day, UTC")
