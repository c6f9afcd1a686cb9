"""The operator's command line."""

from __future__ import annotations

import asyncio
import contextlib
import signal
import socket
import sys
import uuid
from collections.abc import AsyncIterator, Coroutine
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta
from pathlib import Path
from typing import Annotated, Any, Final, NoReturn

import structlog
import typer

from aiops import telemetry, wiring
from aiops.adapters.grpc_forecasts import GrpcForecasts
from aiops.adapters.kubernetes_http import connect
from aiops.adapters.probes import Heartbeat, Probes
from aiops.cli.options import lasting
from aiops.errors import ConfigError, ModelError, UpstreamError
from aiops.forecasting.fleet.exhaustion import Exhaustion
from aiops.ports import ForecastSource, LimitQuery, Peak, PeakQuery
from aiops.server.address import Address
from aiops.settings import Settings
from operators.app import Operator, Options
from operators.rollback_alert import RUNBOOK

_THREADS: Final = 32  # for questions to Prometheus, each of which waits in one
_IN_A_POD: Final = Path("/var/run/secrets/kubernetes.io/serviceaccount/namespace")

app = typer.Typer(
    pretty_exceptions_enable=False,
    rich_markup_mode="markdown",
    help="""
Example: `python -m operators --forecasts localhost:50051 --forecasts-insecure`

Scale Kubernetes workloads ahead of demand, as PredictiveScalers say.

The cluster is the one that this pod runs in, or else that of KUBECONFIG. AIOPS_PROMETHEUS__URL says where demand is
read, and AIOPS_ALERTMANAGER__URL (or, with all of its replicas, AIOPS_ALERTMANAGER__URLS) where rollbacks are told.
""",
)

_log = structlog.get_logger()

LeaseNamespaceOption = Annotated[
    str | None,
    typer.Option("--lease-namespace", help="Where the Lease is.", show_default="the pod's own, else default"),
]
LeaseNameOption = Annotated[str, typer.Option("--lease-name", help="Operators of one name: one works, others wait.")]
NamespaceOption = Annotated[
    list[str] | None, typer.Option("--namespace", help="Serve this namespace only; may be repeated.")
]
LogLevelOption = Annotated[str, typer.Option("--log-level", help="DEBUG, INFO, WARNING or ERROR.")]


@app.callback(invoke_without_command=True)
def operate(
    context: typer.Context,
    metrics: Annotated[
        str, typer.Option("--metrics", help="Where /metrics, /healthz and /readyz answer.")
    ] = "127.0.0.1:9465",
    forecasts: Annotated[
        str, typer.Option("--forecasts", help="HOST:PORT of the forecast service.")
    ] = "127.0.0.1:50051",
    forecasts_ca: Annotated[
        Path | None, typer.Option("--forecasts-ca", help="PEM file of who may have signed its certificate.")
    ] = None,
    forecasts_token_file: Annotated[
        Path | None, typer.Option("--forecasts-token-file", help="File with the token that it asks for.")
    ] = None,
    forecasts_insecure: Annotated[bool, typer.Option("--forecasts-insecure", help="Talk to it without TLS.")] = False,
    lease_namespace: LeaseNamespaceOption = None,
    lease_name: LeaseNameOption = "aiops-operator",
    identity: Annotated[
        str | None,
        typer.Option("--identity", help="Starts our name in the Lease.", show_default="the name of this machine"),
    ] = None,
    namespace: NamespaceOption = None,
    interval: Annotated[
        timedelta,
        lasting("--interval", "Time between turns where a spec cannot be read."),
    ] = timedelta(seconds=30),
    runbook: Annotated[
        str, typer.Option("--runbook", help="Where people read what to do after a roll-back; the alert carries it.")
    ] = RUNBOOK,
    log_level: LogLevelOption = "INFO",
) -> None:
    """Run until told to stop."""
    if context.invoked_subcommand is not None:
        return
    telemetry.configure(log_level)
    address = Address.parse(metrics)
    options = Options(
        identity=_identity(identity),
        lease_namespace=_lease_namespace(lease_namespace),
        lease_name=lease_name,
        namespaces=tuple(namespace or ()),
        interval=interval,
        runbook=runbook,
    )
    source = GrpcForecasts(
        forecasts, ca_file=forecasts_ca, token_file=forecasts_token_file, insecure=forecasts_insecure
    )
    asyncio.run(serve(options, address, source, wiring.settings()))


@app.command("give-back")
def give_back(
    lease_namespace: LeaseNamespaceOption = None,
    lease_name: LeaseNameOption = "aiops-operator",
    namespace: NamespaceOption = None,
    log_level: LogLevelOption = "INFO",
) -> None:
    """Example: `python -m operators give-back`

    Give every HPA the minReplicas back that it had of its own, and let go of every PredictiveScaler.

    The running operator loses its lease to this command, and none works for two minutes afterwards: time to uninstall.
    """
    telemetry.configure(log_level)
    options = Options(
        identity=_identity("give-back"),
        lease_namespace=_lease_namespace(lease_namespace),
        lease_name=lease_name,
        namespaces=tuple(namespace or ()),
    )
    count = asyncio.run(_give_back(options, wiring.settings()))
    _log.info("all is given back", hpas=count)


async def serve(options: Options, metrics: Address, forecasts: ForecastSource, configured: Settings) -> None:
    """Run the operator with its probes until a signal says to stop.

    Args:
        options: Who we are.
        metrics: Where probes and metrics answer.
        forecasts: Who knows what comes.
        configured: How to reach everything else.
    """
    async with operator(options, forecasts, configured) as ours:
        heartbeat = Heartbeat()
        with Probes(metrics.host, metrics.port, alive=heartbeat.trouble, ready=lambda: ours.trouble):
            await _until_told(ours.run(), heartbeat.run())


@contextlib.asynccontextmanager
async def operator(options: Options, forecasts: ForecastSource, configured: Settings) -> AsyncIterator[Operator]:
    """Return an operator with what it talks to, closed afterwards."""
    loop = asyncio.get_running_loop()
    loop.set_default_executor(ThreadPoolExecutor(_THREADS))
    with connect() as api:
        async with wiring.alertmanagers(configured) as alertmanagers:
            yield Operator(
                api,
                options,
                source=wiring.prometheus(None, configured),
                forecasts=forecasts,
                alertmanagers=alertmanagers,
                clock=wiring.clock(configured),
            )


async def _until_told(*work: Coroutine[Any, Any, None]) -> None:
    """Run until SIGTERM or SIGINT, or until a part ends; then end all parts in order."""
    loop = asyncio.get_running_loop()
    told = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, told.set)
    tasks = [asyncio.ensure_future(each) for each in (*work, told.wait())]
    try:
        done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        for each in done:
            each.result()
    finally:
        for each in tasks:
            each.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def _give_back(options: Options, configured: Settings) -> int:
    async with operator(options, _NoForecasts(), configured) as ours:
        return await ours.give_back_all()


class _NoForecasts:
    """For a process that gives back and decides nothing."""

    async def peak(self, asked: PeakQuery, now: datetime) -> Peak:
        raise ModelError(f"nobody forecasts {asked.query!r} here at {now}")

    async def exhaustion(self, asked: LimitQuery, now: datetime) -> Exhaustion:
        raise ModelError(f"nobody forecasts {asked.query!r} here at {now}")


def _identity(asked: str | None) -> str:
    """Return a name that no other process ever has: a restarted one must not take itself for the one before it."""
    return f"{asked or socket.gethostname()}_{uuid.uuid4().hex[:12]}"


def _lease_namespace(asked: str | None) -> str:
    if asked:
        return asked
    return _IN_A_POD.read_text().strip() if _IN_A_POD.is_file() else "default"


def main() -> None:
    """Run the command line; the entry point of the image."""
    try:
        app()
    except ConfigError as error:
        _end(error, 2)
    except UpstreamError as error:
        _end(error, 4)


def _end(error: Exception, code: int) -> NoReturn:
    print(f"error: {error}", file=sys.stderr)  # noqa: T201 - the last words of a command line
    sys.exit(code)
