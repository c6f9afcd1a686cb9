"""One way to talk to Prometheus over HTTP: credentials, one time-out, one layer of retries, and what goes wrong."""

from __future__ import annotations

import http.client
import json
import re
import time
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import numpy as np
import requests
import requests.auth
import stamina
import urllib3.exceptions
from prometheus_api_client import PrometheusConnect

from aiops.errors import ConfigError, UpstreamRejectedError, UpstreamUnavailableError
from aiops.series import FloatArray

if TYPE_CHECKING:
    from aiops.settings import PrometheusSettings

_BLOCK_BYTES = 1 << 18
_LATER = frozenset({408, 425, 429})  # refusals that say "try again"
_POINTS = re.compile(rb'"values":\s*\[\s*(\[.*?\])\s*\]', re.DOTALL)  # cannot stand inside a JSON string: its quotes
_TITLE = re.compile(r"<title[^>]*>(.*?)</title>", re.IGNORECASE | re.DOTALL)


class PrometheusHttp:
    """Sends requests to one Prometheus. Safe to share between threads.

    Attributes:
        client: The library's client over the same session: for what needs neither warnings nor our retries.
    """

    def __init__(self, settings: PrometheusSettings) -> None:
        self.url = str(settings.url).rstrip("/")
        self._settings = settings
        self._session = _session(settings)
        self.client = PrometheusConnect(
            url=self.url,
            session=self._session,
            auth=self._session.auth,
            retry=urllib3.Retry(total=0, redirect=0),
            timeout=settings.timeout.total_seconds(),
        )
        self._retry = stamina.RetryingCaller(attempts=settings.attempts, timeout=None, wait_initial=0.2, wait_max=5.0)

    def post(self, path: str, data: Mapping[str, str] | bytes, headers: Mapping[str, str] | None = None) -> bytes:
        """Send one request, again if there is no answer, and return the body of the answer.

        Raises:
            UpstreamUnavailableError: If the last attempt brought no answer, or one that says "later".
            UpstreamRejectedError: If it was refused.
            ConfigError: If a certificate file cannot be used.
        """
        return self._retry(UpstreamUnavailableError, self._post_once, path, data, headers)

    def ask(self, path: str, form: Mapping[str, str]) -> dict[str, Any]:
        """Send a request of the query API and return its JSON object: ``data``, and ``warnings`` if there are any.

        The ``values`` of a series are an array, shape ``[n, 2]``: seconds since the epoch, and the value.

        Raises:
            UpstreamUnavailableError: As ``post``; also if the answer broke off.
            UpstreamRejectedError: As ``post``; also if it is no answer of a Prometheus.
        """
        return self._retry(UpstreamUnavailableError, self._ask_once, path, form)

    def _ask_once(self, path: str, form: Mapping[str, str]) -> dict[str, Any]:
        body = self._post_once(path, form, None)
        try:
            answer = _read(body)
        except ValueError as error:
            if body.lstrip().startswith(b'{"status"'):
                raise UpstreamUnavailableError(f"the answer of Prometheus at {self.url} broke off: {error}") from error
            answer = None
        if not isinstance(answer, dict) or answer.get("status") != "success" or "data" not in answer:
            raise UpstreamRejectedError(
                f"{self.url} answered {_gist(body)}: is this a Prometheus? Check AIOPS_PROMETHEUS__URL"
            )
        return answer

    def _post_once(self, path: str, data: Mapping[str, str] | bytes, headers: Mapping[str, str] | None) -> bytes:
        seconds = self._settings.timeout.total_seconds()
        deadline = time.monotonic() + seconds
        try:
            with self._session.request(
                "POST",
                self.url + path,
                data=data,
                headers=headers,
                # Given here and not left to the session, where REQUESTS_CA_BUNDLE of the environment would win.
                verify=self._session.verify,
                timeout=seconds,
                allow_redirects=False,  # our headers may be credentials, and are for this server only
                stream=True,
            ) as response:
                blocks = []
                while block := response.raw.read1(_BLOCK_BYTES, decode_content=True):
                    blocks.append(block)
                    if time.monotonic() > deadline:
                        raise requests.ReadTimeout("still sending")
                body = b"".join(blocks)
        except requests.exceptions.SSLError as error:
            raise UpstreamRejectedError(
                f"no trusted connection to {self.url}: {_innermost(error)}. AIOPS_PROMETHEUS__CA_FILE names the "
                f"authority that signed its certificate, AIOPS_PROMETHEUS__CLIENT_CERT_FILE our own certificate"
            ) from error
        except (requests.Timeout, urllib3.exceptions.TimeoutError) as error:
            raise UpstreamUnavailableError(
                f"Prometheus at {self.url} did not answer within {seconds:g} s: ask for less, or raise "
                f"AIOPS_PROMETHEUS__TIMEOUT"
            ) from error
        except requests.ConnectionError as error:
            raise UpstreamUnavailableError(
                f"cannot reach Prometheus at {self.url}: {_innermost(error)}. Is it running, and is "
                f"AIOPS_PROMETHEUS__URL right?"
            ) from error
        except (requests.RequestException, urllib3.exceptions.HTTPError, http.client.HTTPException) as error:
            raise UpstreamUnavailableError(
                f"the answer of Prometheus at {self.url} broke off: {_innermost(error)}"
            ) from error
        except OSError as error:  # last: the exceptions of requests are OSErrors, too
            raise ConfigError(f"cannot use a certificate file of the settings for {self.url}: {error}") from error
        if not 200 <= response.status_code < 300:
            raise self._refusal(response.status_code, body, response.headers.get("Location"))
        return body

    def _refusal(self, status: int, body: bytes, location: str | None) -> Exception:
        said = _message(body) or _gist(body)
        if status in (401, 403):
            return UpstreamRejectedError(
                f"Prometheus at {self.url} refused our credentials ({status}): check AIOPS_PROMETHEUS__TOKEN, "
                f"or AIOPS_PROMETHEUS__USERNAME and AIOPS_PROMETHEUS__PASSWORD"
            )
        if 300 <= status < 400:
            return UpstreamRejectedError(
                f"{self.url} sends us to {location} ({status}): set AIOPS_PROMETHEUS__URL to where Prometheus itself is"
            )
        if status in _LATER or status >= 500:
            return UpstreamUnavailableError(f"Prometheus at {self.url} could not answer ({status}): {said}")
        return UpstreamRejectedError(f"Prometheus at {self.url} refused the request ({status}): {said}")


class _Bearer(requests.auth.AuthBase):
    """Sends a token; a class, because ~/.netrc would replace a plain header."""

    def __init__(self, token: str) -> None:
        self._token = token

    def __call__(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        request.headers["Authorization"] = f"Bearer {self._token}"
        return request


def _session(settings: PrometheusSettings) -> requests.Session:
    session = requests.Session()
    if settings.token is not None:
        session.auth = _Bearer(settings.token.get_secret_value())
    elif settings.username is not None and settings.password is not None:
        session.auth = requests.auth.HTTPBasicAuth(settings.username, settings.password.get_secret_value())
    for name, value in settings.headers.items():
        session.headers[name] = value.get_secret_value()
    if settings.ca_file is not None:
        session.verify = str(settings.ca_file)
    if settings.client_cert_file is not None and settings.client_key_file is not None:
        session.cert = (str(settings.client_cert_file), str(settings.client_key_file))
    elif settings.client_cert_file is not None:
        session.cert = str(settings.client_cert_file)
    if urlsplit(str(settings.url)).hostname in ("localhost", "127.0.0.1", "[::1]", "::1"):
        session.trust_env = False  # a proxy cannot reach this machine's own loopback
        session.headers["Accept-Encoding"] = "identity"  # compressing takes ten times as long as the loopback
    return session


def _read(body: bytes) -> Any:
    """Read JSON; the points go into arrays directly, since a million small lists cost a second and 200 MB.

    Raises:
        ValueError: If it is no JSON.
    """
    points: list[FloatArray] = []

    def keep(found: re.Match[bytes]) -> bytes:
        numbers = np.fromstring(found[1].translate(None, b'[]"').decode(), sep=",", dtype=np.float64)
        points.append(numbers.reshape(-1, 2))
        return b'"values":%d' % (len(points) - 1)

    answer = json.loads(_POINTS.sub(keep, body))
    if points:
        for row in answer["data"]["result"]:
            row["values"] = points[row["values"]]
    return answer


def _message(body: bytes) -> str:
    """Return what Prometheus says in its error object; nothing if this is none."""
    try:
        answer = json.loads(body)
    except ValueError:
        return ""
    return str(answer.get("error", "")) if isinstance(answer, dict) else ""


def _gist(body: bytes) -> str:
    """Return the start of an unexpected body, in quotes, or the title of a page."""
    text = body[:2000].decode(errors="replace").strip()
    if text.startswith("<"):
        title = _TITLE.search(text)
        return f"with an HTML page{f' ({title[1].strip()[:80]})' if title else ''}"
    return repr(" ".join(text.split())[:200]) if text else "nothing"


def _innermost(error: BaseException) -> str:
    """Return the cause that a person can act on, below the layers of the HTTP libraries."""
    seen: BaseException = error
    while (below := seen.__cause__ or seen.__context__ or _wrapped(seen)) is not None:
        seen = below
    return str(seen) or type(seen).__name__


def _wrapped(error: BaseException) -> BaseException | None:
    reason = getattr(error, "reason", None)
    return reason if isinstance(reason, BaseException) else None
