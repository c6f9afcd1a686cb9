"""An AlertSink over the HTTP API of Alertmanager, version 2."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

import httpx

from aiops.alerting.alert import Alert
from aiops.errors import ContentRejectedError, UpstreamRejectedError, UpstreamUnavailableError

_PATH = "/api/v2/alerts"
_TOLD_LATER = frozenset({httpx.codes.REQUEST_TIMEOUT, httpx.codes.TOO_MANY_REQUESTS})
_CONTENT = frozenset({httpx.codes.BAD_REQUEST, httpx.codes.REQUEST_ENTITY_TOO_LARGE, httpx.codes.UNPROCESSABLE_ENTITY})
_SHOWN_CHARACTERS = 500


class AlertmanagerSink:
    """Posts alerts, and says whether what failed is worth sending again. It does not retry: that is for its caller.

    A firing alert carries no end: Alertmanager takes it for resolved when it is not sent again within its
    ``resolve_timeout`` (five minutes by default). A resolved one carries its end, which has to lie in Alertmanager's
    past to count.

    Args:
        client: With the base URL, time-outs, certificates and credentials to use; closed by whoever made it.
    """

    def __init__(self, client: httpx.AsyncClient) -> None:
        self._client = client

    async def send(self, alerts: Sequence[Alert]) -> None:
        """Post the present state of these alerts; none is not a request.

        Raises:
            UpstreamUnavailableError: No answer, or one that says "later" (408, 429, 5xx).
            ContentRejectedError: It refuses these alerts (400, 413, 422). Alertmanager keeps those of the batch that
                are valid even when it answers 400.
            UpstreamRejectedError: Any other answer but success: its address or our credentials are wrong.
        """
        if not alerts:
            return
        url = self._client.base_url
        try:
            answer = await self._client.post(_PATH, json=[_posted(alert) for alert in alerts])
        except httpx.HTTPError as error:
            reason = str(error) or type(error).__name__
            raise UpstreamUnavailableError(f"Alertmanager at {url} did not answer: {reason}") from error
        if answer.is_success:
            return
        said = f"Alertmanager at {url} answered {answer.status_code}: {answer.text[:_SHOWN_CHARACTERS].strip()}"
        if answer.is_server_error or answer.status_code in _TOLD_LATER:
            raise UpstreamUnavailableError(said)
        if answer.status_code in _CONTENT:
            raise ContentRejectedError(said)
        if answer.is_redirect:
            raise UpstreamRejectedError(f"{said}: it redirects, give its final URL")
        raise UpstreamRejectedError(said)


def _posted(alert: Alert) -> dict[str, Any]:
    found: dict[str, Any] = {
        "labels": dict(alert.labels),
        "annotations": dict(alert.annotations),
        "startsAt": _rfc3339(alert.starts_at),
    }
    if alert.ends_at is not None:
        found["endsAt"] = _rfc3339(alert.ends_at)
    return found


def _rfc3339(at: datetime) -> str:
    return at.isoformat().replace("+00:00", "Z")
