"""The command line: parses, calls one use case, prints; and maps each class of error to its exit code, once."""

from __future__ import annotations

import signal
import sys
import traceback

import typer
from rich.markup import escape

from aiops import __version__
from aiops.cli import backtest, demo, feedback, forecast, inspect, ledger, peaks, policy, score, serve, train
from aiops.cli import train_combiner as combiner
from aiops.cli.output import messages, visible
from aiops.errors import AiopsError, ConfigError, DataError, ModelError, UpstreamError

EXIT_CODES: tuple[tuple[type[AiopsError], int], ...] = (
    (ConfigError, 2),
    (DataError, 3),
    (ModelError, 3),
    (UpstreamError, 4),
)
UNEXPECTED = 1
INTERRUPTED = 130
CLOSED = 141
TERMINATED = 143

app = typer.Typer(
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode="markdown",
    help="""
Example: `aiops backtest scaling --source traces/ --report verdict.html`

Forecast load, score telemetry and scale workloads ahead of demand.

Exit codes: 0 all done; 1 a fault of ours; 2 an option, a setting or a policy is wrong; 3 the telemetry cannot be used;
4 Prometheus or MLflow did not answer or refused; 5 done, but some series were left out (they are named);
130 interrupted; 143 terminated.
""",
)
app.add_typer(
    backtest.app, name="backtest", short_help="What a scaler or a forecaster would have done on your history."
)
app.add_typer(policy.app, name="policy", short_help="Whether a scaling policy is right, and what it decides.")
app.command("train", short_help="Forecasts as a registered bundle; a better one becomes the champion.")(train.train)
app.command("forecast", short_help="Quantiles of every step ahead, for every series, as one CSV file.")(
    forecast.forecast
)
app.command("peaks", short_help="How high the days of the coming weeks go, and when a limit is reached.")(peaks.peaks)
app.command("serve", short_help="Scores, forecasts and alerts as a gRPC service.")(serve.serve)
app.command("score", short_help="How odd each point of a folder is, and when a person would be told.")(score.score)
app.command("train-combiner", short_help="What labelled incidents and feedback teach the detector, as one JSON file.")(
    combiner.train_combiner
)
app.command("ledger", short_help="What a scaler did each day, beside the plain HPA and the optimum.")(ledger.ledger)
app.command("feedback", short_help="What an incident was: useful, noise or expected; and the oddest of late.")(
    feedback.feedback
)
app.command("inspect", short_help="What a source holds, and whether it can be trusted.")(inspect.inspect)
app.command("demo", short_help="The whole loop on a generated fleet, beside an empty Prometheus.")(demo.demo)


@app.callback(invoke_without_command=True)
def root(version: bool = typer.Option(False, "--version", help="Print the version and end.", is_eager=True)) -> None:
    """Do what the whole program has in common."""
    if version:
        print(f"aiops {__version__}")  # noqa: T201 - the answer to --version
        raise typer.Exit


def main() -> None:
    """Run the command line; the console script."""
    # An exit lets whoever works remove what is half done, and end its workers.
    before = signal.signal(signal.SIGTERM, lambda *_: sys.exit(TERMINATED))
    try:
        app()
    except AiopsError as error:
        messages.print(f"[bold red]error:[/] {escape(visible(str(error)))}")
        sys.exit(next(code for kind, code in EXIT_CODES if isinstance(error, kind)))
    except BrokenPipeError:  # whoever read our output has seen enough; a second try at exit would say so again
        sys.stdout = None
        sys.exit(CLOSED)
    except KeyboardInterrupt:
        messages.print("stopped")
        sys.exit(INTERRUPTED)
    except Exception:  # noqa: BLE001 - the last resort: a fault of ours, said as one
        messages.print("[bold red]a fault in aiops; please report what follows[/]")
        traceback.print_exc()
        sys.exit(UNEXPECTED)
    finally:
        signal.signal(signal.SIGTERM, before)
