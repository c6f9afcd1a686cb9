"""What the demo prints while it runs."""

from __future__ import annotations

import time
from datetime import timedelta

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from aiops.scaling.capacity import replicas_for
from testbed.demo_cluster import stage
from testbed.demo_cluster.load import Tick
from testbed.demo_cluster.rehearsal import STEP, scaled
from testbed.demo_cluster.trace import Trace

_EVERY = timedelta(minutes=5)
_BAR = 40  # characters for the highest demand


class Telling:
    """Prints chapters and the progress of the load.

    Args:
        console: Where to.
        began: ``time.monotonic()`` of the start.
    """

    def __init__(self, console: Console, began: float) -> None:
        self.console = console
        self._began = began

    @property
    def seconds(self) -> float:
        """Seconds since the start."""
        return time.monotonic() - self._began

    def chapter(self, title: str) -> None:
        """Begin a chapter."""
        self.console.print(f"\n[bold]{escape(title)}[/] [dim]({self.seconds:.0f} s)[/]")

    def say(self, text: str) -> None:
        """Say a sentence."""
        self.console.print(f"  {escape(text)}")

    def aside(self, text: str) -> None:
        """Say what only the curious need."""
        self.console.print(f"  [dim]{escape(text)}[/]")

    def scale(self, speed: float) -> None:
        """Show every length of time that is scaled."""
        table = Table(box=None, padding=(0, 2), show_edge=False, title=None, header_style="dim")
        for title in ("", "in the story", f"here, {speed:g} times as fast"):
            table.add_column(title, justify="left" if not title else "right")
        for row in scaled(speed):
            table.add_row(*row)
        self.console.print(table)

    def progress(self, trace: Trace) -> Progress:
        """Return what prints a line for every five minutes of the story."""
        return Progress(self.console, trace)


class Progress:
    """Prints what happened in the last five minutes of the story; an object to hand ticks to."""

    def __init__(self, console: Console, trace: Trace) -> None:
        self._console = console
        self._capacity = trace.capacity_per_replica
        self._most = max(self._needed(value) for value in trace.demand.values[-180:])
        self._ticks: list[Tick] = []
        self._headed = False

    def __call__(self, tick: Tick) -> bool:
        """Take in a tick; never asks to stop."""
        self._ticks.append(tick)
        if len(self._ticks) == _EVERY // STEP:
            self._print()
            self._ticks.clear()
        return False

    def _print(self) -> None:
        if not self._headed:
            self._headed = True
            above = f"{'needed at most':<{_BAR + 4}}  {'plain HPA':>16}  {'with the floor':>24}"
            below = f"{'':<{_BAR + 4}}  {'ready':>6} {'unmet':>9}  {'ready':>6} {'floor':>6} {'unmet':>10}"
            self._console.print(f"  [dim]{'':5}  {above}\n  {'':5}  {below}[/]")
        first, last = self._ticks[0], self._ticks[-1]
        needed = max(self._needed(each.demand) for each in self._ticks)
        bar = "█" * round(_BAR * needed / self._most)
        plain, ours = last.pods[stage.PLAIN], last.pods[stage.FLOOR]
        self._console.print(
            f"  {first.at:%H:%M}  [cyan]{bar:<{_BAR}}[/] {needed:3d}  {plain.ready:6d} {self._unmet(stage.PLAIN)}"
            f"  {ours.ready:6d} {ours.floor:6d}  {self._unmet(stage.FLOOR)}"
        )

    def _unmet(self, namespace: str) -> str:
        came = sum(each.demand for each in self._ticks)
        unmet = sum(max(each.demand - each.pods[namespace].ready * self._capacity, 0.0) for each in self._ticks)
        share = unmet / came if came else 0.0
        return f"[red]{share:9.2%}[/]" if share > 0 else f"[dim]{'–':>9}[/]"

    def _needed(self, demand: float) -> int:
        return replicas_for(demand, self._capacity)
