"""One replica of Alertmanager is brought up to what the outbox says, at its own pace: a dead one holds up no other."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

import structlog

from aiops import telemetry
from aiops.adapters.alert_file import Entry
from aiops.alerting.alert import Status
from aiops.errors import ContentRejectedError, UpstreamError, UpstreamUnavailableError
from aiops.ports import AlertSink, Clock

_log = structlog.get_logger(__name__)

_BATCH = 100
_FIRST_WAIT, _LONGEST_WAIT = timedelta(seconds=1), timedelta(minutes=1)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _Answered:
    """What became of the last state of an alert here, and when it is to be sent again."""

    entry: Entry
    taken: bool
    due: datetime


class Delivery:
    """Sends what is new, and what fires again before it expires.

    A batch that is refused is sent again alert by alert. What is refused while others are taken will never be: it is
    given up. Where nothing is taken the fault may be the server's, or a proxy's: it is tried again.

    Args:
        name: What to call the replica in health and logs.
        sink: How it is reached.
        clock: The time.
        resend: From one sending of a firing alert to the next.
        entries: What is to be delivered, by fingerprint; the outbox changes it.
        answered: Told which fingerprints were taken, and which were given up.
    """

    def __init__(
        self,
        name: str,
        sink: AlertSink,
        clock: Clock,
        resend: timedelta,
        entries: Mapping[str, Entry],
        answered: Callable[[Sequence[str]], None],
    ) -> None:
        self.name = name
        self.up: bool | None = None
        """Whether the last request was answered; None before the first."""
        self.since: datetime | None = None
        """Since when that is so."""
        self.trouble = ""
        """Why alerts are not taken; empty if they are."""
        self.changed = asyncio.Event()
        """Set when there may be something to send."""
        self._sink = sink
        self._clock = clock
        self._resend = resend
        self._entries = entries
        self._tell = answered
        self._known: dict[str, _Answered] = {}

    def done(self, name: str) -> bool:
        """Return whether the last state of an alert was taken here, or given up."""
        known = self._known.get(name)
        return known is not None and known.entry is self._entries.get(name)

    def given_up(self, name: str) -> bool:
        """Return whether the last state of an alert is never taken here."""
        return self.done(name) and not self._known[name].taken

    async def run(self) -> None:
        """Deliver until cancelled."""
        wait = _FIRST_WAIT
        while True:
            self.changed.clear()
            self._forget()
            now = self._clock.now()
            due = [name for name in self._entries if self._due(name, now) <= now][:_BATCH]
            if not self._entries:
                await self.changed.wait()
            elif not due:
                await self._changed_or(min(self._due(name, now) for name in self._entries))
            elif await self._deliver(due):
                wait = _FIRST_WAIT
            else:
                await self._clock.sleep_until(self._clock.now() + wait)
                wait = min(2 * wait, _LONGEST_WAIT)

    def _due(self, name: str, now: datetime) -> datetime:
        return self._known[name].due if self.done(name) else now

    def _forget(self) -> None:
        if len(self._known) > len(self._entries):
            self._known = {name: each for name, each in self._known.items() if name in self._entries}

    async def _deliver(self, names: Sequence[str]) -> bool:
        """Send these alerts once, in their order; return whether anything was taken, or is settled."""
        states = {name: self._entries[name] for name in names}
        try:
            refused = await self._send(states)
        except UpstreamError as error:
            self._count_failed("unavailable" if isinstance(error, UpstreamUnavailableError) else "refused", len(states))
            self._failed(str(error))
            return False
        self._answers()
        taken = [name for name in states if name not in refused]
        if refused and not taken:
            self._count_failed("rejected", len(refused))
            self.trouble = next(iter(refused.values()))
            return False
        self.trouble = ""
        telemetry.counter(telemetry.ALERTS_SENT).inc(len(taken))
        now = self._clock.now()
        for name, state in states.items():
            self._known[name] = _Answered(entry=state, taken=name not in refused, due=now + self._resend)
        for name, reason in refused.items():
            self._count_failed("rejected", 1)
            _log.error("alert refused", upstream=self.name, alert=dict(states[name].alert.labels), reason=reason)
        self._tell(names)
        return True

    async def _send(self, states: Mapping[str, Entry]) -> dict[str, str]:
        """Send, alert by alert if all of them are refused; return those that were refused by themselves, with why."""
        try:
            await self._sink.send([each.alert for each in states.values()])
        except ContentRejectedError as error:
            if len(states) == 1:
                return dict.fromkeys(states, str(error))
            refused: dict[str, str] = {}
            for name, state in states.items():  # it does not say which: each for itself
                refused |= await self._send({name: state})
            return refused
        return {}

    async def _changed_or(self, at: datetime) -> None:
        """Return when something is put, or at ``at``."""
        tasks = {
            asyncio.ensure_future(self.changed.wait()),
            asyncio.ensure_future(self._clock.sleep_until(at)),
        }
        try:
            await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in tasks:
                task.cancel()

    def _count_failed(self, reason: str, count: int) -> None:
        telemetry.counter(telemetry.ALERTS_FAILED).labels(reason).inc(count)

    def _answers(self) -> None:
        if self.up is not True:
            if self.up is False:
                _log.info("upstream answers again", upstream=self.name)
            self.up, self.since = True, self._clock.now()
        telemetry.gauge(telemetry.ALERTMANAGER_UP).labels(self.name).set(1)

    def _failed(self, reason: str) -> None:
        if self.up is not False:
            self.up, self.since = False, self._clock.now()
            _log.warning("upstream does not answer", upstream=self.name, reason=reason)
        self.trouble = reason
        telemetry.gauge(telemetry.ALERTMANAGER_UP).labels(self.name).set(0)


def may_go(entry: Entry, deliveries: Sequence[Delivery], name: str, now: datetime, patience: timedelta) -> bool:
    """Return whether nothing is left to say of an alert: all have it, or those that have not are long gone.

    A replica forgets a firing alert within minutes, so one that was away for longer need not be told of its end.
    """
    if entry.alert.status is not Status.RESOLVED:
        return all(each.given_up(name) for each in deliveries)
    missing = [each for each in deliveries if not each.done(name)]
    return not missing or (
        len(missing) < len(deliveries)
        and all(each.up is False and each.since is not None and now - each.since >= patience for each in missing)
    )
