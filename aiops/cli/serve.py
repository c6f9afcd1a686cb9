"""``aiops serve``: the gRPC service that scores, forecasts and alerts."""

from __future__ import annotations

import asyncio
import os
import sys
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from aiops.cli.options import lasting
from aiops.cli.output import messages
from aiops.errors import ConfigError

if TYPE_CHECKING:
    from aiops.server.app import Options, Service
    from aiops.settings import Settings
    from aiops.wiring import LiveRequest


def serve(
    listen: Annotated[
        str, typer.Option("--listen", metavar="ADDRESS", help="Where calls come in; port 0 takes any that is free.")
    ] = "127.0.0.1:50051",
    metrics: Annotated[
        str,
        typer.Option(
            "--metrics", metavar="ADDRESS", help="Where /metrics, /healthz and /readyz are served over plain HTTP."
        ),
    ] = "127.0.0.1:9464",
    watch: Annotated[
        Path | None,
        typer.Option("--watch", help="YAML file of AnomalyMonitors: queries to poll. Read again when it changes."),
    ] = None,
    registry: Annotated[
        str | None,
        typer.Option("--registry", help="An SQLite file of MLflow's, or the URL of an MLflow server; has champions."),
    ] = None,
    model: Annotated[str, typer.Option("--model", help="Name of the registered model.")] = "aiops-forecasts",
    state: Annotated[
        Path,
        typer.Option(
            "--state",
            help="Folder for what should survive a restart: alerts not yet delivered, and trees of forecasters.",
        ),
    ] = Path("aiops-state"),
    combiner: Annotated[
        Path | None,
        typer.Option(
            "--combiner",
            help="File of `aiops train-combiner`: what labels have taught; where no detectors are named.",
        ),
    ] = None,
    tls_certificate: Annotated[
        Path | None,
        typer.Option(
            "--tls-certificate", help="PEM file of the certificate and its chain. Read again when it changes."
        ),
    ] = None,
    tls_key: Annotated[Path | None, typer.Option("--tls-key", help="PEM file of its key.")] = None,
    token_file: Annotated[
        Path | None,
        typer.Option(
            "--token-file", help="Bearer tokens that may call, one a line, 16 characters or more. Read again as well."
        ),
    ] = None,
    insecure: Annotated[
        bool, typer.Option("--insecure", help="Listen to the network even without a certificate or without tokens.")
    ] = False,
    reflection: Annotated[
        bool, typer.Option("--reflection", help="Tell callers what can be called: for grpcurl and the like.")
    ] = False,
    queue: Annotated[
        int, typer.Option("--queue", min=1, help="Calls of a method that may wait; more get RESOURCE_EXHAUSTED.")
    ] = 256,
    drain: Annotated[
        timedelta,
        lasting("--drain", "How long calls under way may still take after SIGTERM.", "20s"),
    ] = timedelta(seconds=20),
    adopt: Annotated[
        int, typer.Option("--adopt", min=0, help="Queries kept because somebody asked for their forecast.")
    ] = 200,
) -> None:
    """Example: `aiops serve --watch monitors.yaml --registry sqlite:///training/mlflow.db`

    Poll the queries of the file, score what they return and what callers push, answer forecasts, and send alerts to
    Alertmanager. Addresses of Prometheus and Alertmanager come from AIOPS_PROMETHEUS__URL and AIOPS_ALERTMANAGER__URL.
    Ends on SIGTERM or Ctrl-C when the calls under way have ended; a second one ends it at once.
    """
    from aiops import telemetry, wiring

    try:
        from aiops.server.address import Address
        from aiops.server.app import Options
        from aiops.server.tls import TlsFiles
    except ModuleNotFoundError as error:
        raise ConfigError(f"the service needs gRPC ({error}): install aiops[serve]") from error
    from aiops.usecases.live import Limits

    telemetry.configure("INFO")
    if (tls_certificate is None) != (tls_key is None):
        raise ConfigError("--tls-certificate and --tls-key come together")
    options = Options(
        listen=Address.parse(listen),
        metrics=Address.parse(metrics),
        tls=None if tls_certificate is None or tls_key is None else TlsFiles(certificate=tls_certificate, key=tls_key),
        token_file=token_file,
        insecure=insecure,
        reflection=reflection,
        queue=queue,
        drain=drain,
    )
    asked = wiring.LiveRequest(
        watch=watch, registry=registry, model=model, state=state, combiner=combiner, limits=Limits(adopt=adopt)
    )
    with asyncio.Runner() as runner:
        runner.run(_serve(asked, options, wiring.settings()))
        # All is closed. A thread that still waits for a Prometheus which does not answer would hold up the end of the
        # loop, and that of Python, for longer than Kubernetes waits before it kills.
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(0)


async def _serve(asked: LiveRequest, options: Options, configured: Settings) -> None:
    from aiops import wiring
    from aiops.server import app

    async with wiring.live(asked, configured) as live:
        await app.serve(live, options, _started)


def _started(service: Service) -> None:
    if messages.is_terminal:
        messages.print(f"scores and forecasts: {service.listen}; metrics: http://{service.metrics}/metrics")
