"""Where a person goes on from an alert: to the picture of what was asked, and to the form that silences it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from urllib.parse import quote, urlencode

_SPAN = timedelta(hours=3)  # of the picture, around the onset
_LONGEST = 800  # characters of a query: an annotation that was cut is no query any more
_CHANGES = frozenset({"severity", "incident"})  # a silence is about the cause, whatever becomes of it


@dataclass(frozen=True, slots=True, kw_only=True)
class Links:
    """Addresses as people reach them; empty where there is none.

    Attributes:
        prometheus: Of Prometheus, with its path prefix if it has one.
        alertmanager: Of Alertmanager.
    """

    prometheus: str = ""
    alertmanager: str = ""

    def explain(self, query: str, since: datetime) -> str:
        """Return the address of a graph of a query around an onset; empty if there is none, or it is too long."""
        if not self.prometheus or not query or len(query) > _LONGEST:
            return ""
        asked = {
            "g0.expr": query,
            "g0.tab": "0",
            "g0.range_input": "6h",
            "g0.end_input": f"{since + _SPAN:%Y-%m-%d %H:%M:%S}",
        }
        return f"{self.prometheus.rstrip('/')}/graph?{urlencode(asked)}"

    def silence(self, labels: Mapping[str, str]) -> str:
        """Return the address of a form that silences alerts with these labels, pages and tickets; empty if none."""
        if not self.alertmanager:
            return ""
        matchers = ",".join(
            f'{name}="{_escaped(value)}"' for name, value in sorted(labels.items()) if name not in _CHANGES
        )
        return f"{self.alertmanager.rstrip('/')}/#/silences/new?filter={quote(f'{{{matchers}}}', safe='')}"


def _escaped(value: str) -> str:
    return value.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
