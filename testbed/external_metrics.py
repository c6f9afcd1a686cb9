"""External metrics for the horizontal autoscaler, out of a real Prometheus: what prometheus-adapter does in a cluster.

It stands in for that one, which is not to be had as a Go module. Everything around it is real: the API server
aggregates ``external.metrics.k8s.io``, checks who asks, and hands the request on by mutual TLS; the answer is what
PromQL gives at that instant, in thousandths, which is all that a ``Quantity`` can carry.
"""

import contextlib
import json
import math
import re
import ssl
import string
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx

from testbed.aggregation import hosts_of, registered
from testbed.apiserver import ApiServer

_GROUP, _VERSION, _SERVICE = "external.metrics.k8s.io", "v1beta1", "external-metrics"
_METRIC = re.compile(rf"/apis/{re.escape(_GROUP)}/{_VERSION}/namespaces/(?P<namespace>[^/]+)/(?P<metric>[^/]+)")
_PROMETHEUS_SECONDS = 5.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """One question and its answer.

    Attributes:
        at: When it was answered, in seconds of ``time.monotonic``.
        values: What was found; empty if nothing.
    """

    at: float
    namespace: str
    metric: str
    values: tuple[float, ...]


class ExternalMetrics:
    """Answers from Prometheus, and remembers what was asked.

    Args:
        prometheus_url: Where the numbers are.
        queries: Metric -> PromQL, in which ``$namespace`` stands for the namespace of the HPA.
        now: Instant at which PromQL is evaluated; Prometheus' own if None.
    """

    def __init__(
        self, prometheus_url: str, queries: Mapping[str, str], now: Callable[[], datetime] | None = None
    ) -> None:
        self._http = httpx.Client(base_url=prometheus_url, timeout=_PROMETHEUS_SECONDS, trust_env=False)
        self._queries = dict(queries)
        self._now = now
        self._asked: list[Asked] = []
        self._lock = threading.Lock()

    def asked(self) -> list[Asked]:
        """Return what was asked so far, oldest first."""
        with self._lock:
            return list(self._asked)

    def close(self) -> None:
        """Close the connections to Prometheus."""
        self._http.close()

    def answer(self, path: str) -> tuple[HTTPStatus, dict[str, Any]]:
        """Return what is said to a GET of ``path``."""
        parts = urlsplit(path)
        if parts.path.rstrip("/") == f"/apis/{_GROUP}/{_VERSION}":
            return HTTPStatus.OK, _resources(self._queries)
        found = _METRIC.fullmatch(parts.path)
        if found is None or found["metric"] not in self._queries:
            return _problem(HTTPStatus.NOT_FOUND, f"no metric at {parts.path}: there are {', '.join(self._queries)}")
        if any(parse_qs(parts.query).get("labelSelector", [])):
            return _problem(HTTPStatus.BAD_REQUEST, "a selector is not supported: the query says what is selected")
        namespace, metric = found["namespace"], found["metric"]
        try:
            values = self._ask(string.Template(self._queries[metric]).safe_substitute(namespace=namespace))
        except httpx.HTTPError as error:
            return _problem(HTTPStatus.SERVICE_UNAVAILABLE, f"Prometheus did not answer: {error}")
        with self._lock:
            self._asked.append(Asked(at=time.monotonic(), namespace=namespace, metric=metric, values=values))
        return HTTPStatus.OK, _values(metric, values)

    def _ask(self, query: str) -> tuple[float, ...]:
        parameters = {"query": query}
        if self._now is not None:
            parameters["time"] = self._now().isoformat()
        said = self._http.get("/api/v1/query", params=parameters)
        said.raise_for_status()
        data = said.json()["data"]
        points = [data["result"]] if data["resultType"] == "scalar" else [row["value"] for row in data["result"]]
        values = [float(value) for _, value in points]
        return tuple(value for value in values if math.isfinite(value))


@contextlib.contextmanager
def external_metrics(
    api: ApiServer, prometheus_url: str, queries: Mapping[str, str], *, now: Callable[[], datetime] | None = None
) -> Iterator[ExternalMetrics]:
    """Serve external.metrics.k8s.io through ``api`` until the ``with`` block ends.

    Args:
        prometheus_url: Where the numbers are.
        queries: Metric -> PromQL, in which ``$namespace`` stands for the namespace of the HPA.
        now: Instant at which PromQL is evaluated; Prometheus' own if None.

    Raises:
        NotReadyError: If the API does not reach it.
    """
    serving = api.authority.issue(_SERVICE, user=_SERVICE, hosts=hosts_of(_SERVICE))
    tls = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH, cafile=api.authority.certificate)
    tls.verify_mode = ssl.CERT_REQUIRED  # the API server comes with the certificate of its front proxy; nobody else may
    tls.load_cert_chain(serving.certificate, serving.key)
    metrics = ExternalMetrics(prometheus_url, queries, now)

    class Handler(BaseHTTPRequestHandler):
        def setup(self) -> None:
            # Here and not where it is accepted: a handshake must not hold up the others.
            self.request = tls.wrap_socket(self.request, server_side=True)
            super().setup()

        def finish(self) -> None:
            super().finish()
            self.request.close()

        def do_GET(self) -> None:
            status, body = metrics.answer(self.path)
            content = json.dumps(body).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, format: str, *args: Any) -> None:
            """Say nothing: ``asked`` knows what was asked."""

    class Listener(ThreadingHTTPServer):
        def handle_error(self, request: Any, client_address: Any) -> None:
            """Let a caller without the certificate go; the next one is served."""

    with contextlib.closing(metrics), Listener(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
        thread.start()
        try:
            with registered(
                api, _GROUP, _VERSION, service=_SERVICE, port=server.server_port, log=lambda: "it has no log"
            ):
                yield metrics
        finally:
            server.shutdown()
            thread.join()


def _resources(metrics: Mapping[str, str]) -> dict[str, Any]:
    return {
        "kind": "APIResourceList",
        "apiVersion": "v1",
        "groupVersion": f"{_GROUP}/{_VERSION}",
        "resources": [
            {"name": name, "singularName": "", "namespaced": True, "kind": "ExternalMetricValueList", "verbs": ["get"]}
            for name in metrics
        ],
    }


def _values(metric: str, values: tuple[float, ...]) -> dict[str, Any]:
    stamp = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    return {
        "kind": "ExternalMetricValueList",
        "apiVersion": f"{_GROUP}/{_VERSION}",
        "metadata": {},
        "items": [
            {"metricName": metric, "metricLabels": {}, "timestamp": stamp, "value": f"{round(value * 1000)}m"}
            for value in values
        ],
    }


def _problem(status: HTTPStatus, message: str) -> tuple[HTTPStatus, dict[str, Any]]:
    return status, {
        "kind": "Status",
        "apiVersion": "v1",
        "status": "Failure",
        "code": int(status),
        "reason": status.phrase.replace(" ", ""),
        "message": message,
    }
