"""``aiops feedback``: what an incident was to those who were told of it."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Annotated

import typer

from aiops.cli.options import FormatOption, OutputOption, lasting
from aiops.cli.output import Format, messages, write_table

_LENGTHS = {"noise": timedelta(days=28), "expected": timedelta(hours=2), "useful": timedelta(days=28)}


def feedback(
    fingerprint: Annotated[
        str | None, typer.Argument(help="Of an incident: in its annotation `feedback`, and in the list.")
    ] = None,
    verdict: Annotated[str | None, typer.Argument(help="useful, noise or expected.")] = None,
    state: Annotated[Path, typer.Option("--state", help="The folder of `aiops serve`.")] = Path("aiops-state"),
    length: Annotated[
        timedelta | None,
        lasting("--for", "How long it holds.", "28d for noise, 2h for expected"),
    ] = None,
    form: FormatOption = Format.TABLE,
    output: OutputOption = None,
) -> None:
    """Example: `aiops feedback 1f9a7c02e4b6d835 noise`

    Say what an incident was. After `noise` a point has to be ten times as rare until people are told of that service
    again, and ten times more for each further one, up to a thousand times; `useful` takes that back; while `expected`
    holds nothing of that service is told. The service goes by it within seconds, and after a restart.

    Without a fingerprint: the incidents of the last four weeks, by what is left of their oddity, which halves each day.
    """
    from aiops import wiring
    from aiops.adapters.feedback_file import FeedbackFile
    from aiops.alerting.feedback import Verdict, top
    from aiops.errors import ConfigError

    file, now = FeedbackFile(state / "feedback.sqlite"), wiring.clock(wiring.settings()).now()
    if fingerprint is None:
        rows = [
            {
                "fingerprint": alert.fingerprint,
                "oddity": round(weight, 2),
                "since": alert.starts_at.isoformat(timespec="minutes"),
                "state": f"{alert.severity.value}, {alert.status.value}",
                "summary": alert.annotations.get("summary", ""),
            }
            for weight, alert in top(file.told(), now)
        ]
        write_table(rows, form, output, title="incidents, the oddest and newest first")
        return
    if verdict not in list(Verdict):
        raise ConfigError(f"{verdict or 'nothing'} is no verdict: say {', '.join(Verdict)}")
    found = file.give(fingerprint, Verdict(verdict), now, length or _LENGTHS[verdict])
    messages.print(f"{verdict}: {found.annotations.get('summary', fingerprint)}", markup=False)
