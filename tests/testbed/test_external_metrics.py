"""External metrics: what the API server passes on is what PromQL says, and nobody else may ask."""

import json
import ssl
from datetime import UTC, datetime, timedelta

import httpx
import numpy as np
import pytest

from aiops.adapters.remote_write import RemoteWriter
from aiops.series import Series, SeriesKey
from aiops.settings import PrometheusSettings
from testbed.apiserver import KubectlError
from testbed.external_metrics import external_metrics

API = "/apis/external.metrics.k8s.io/v1beta1"
QUERIES = {
    "demand": 'shown_demand{namespace="$namespace"}',
    "nothing": "vector(1) < 0",
    "wrong": "sum(",
    "nan": "vector(0) / 0",
    "number": "1.5",
}
# Long gone, but not too long for a Prometheus that other tests give samples of now.
THEN = datetime.now(UTC).replace(microsecond=0) - timedelta(days=3)


@pytest.fixture(scope="module")
def metrics(apiserver, prometheus):
    minute = timedelta(minutes=1)
    key = SeriesKey.of("shown_demand", {"namespace": "shop"})
    values = np.array([1234.5678])
    RemoteWriter(PrometheusSettings(url=prometheus.url)).write(
        [Series(key=key, start=THEN - minute, step=minute, values=values)]
    )
    with external_metrics(apiserver, prometheus.url, QUERIES, now=lambda: THEN) as running:
        yield running


def ask(api, metric, namespace="shop", more=""):
    return json.loads(api.kubectl("get", "--raw", f"{API}/namespaces/{namespace}/{metric}{more}"))


def test_a_value_of_then_comes_in_thousandths(apiserver, metrics):
    (item,) = ask(apiserver, "demand")["items"]
    assert (item["metricName"], item["value"]) == ("demand", "1234568m")
    last = metrics.asked()[-1]
    assert (last.namespace, last.metric, last.values) == ("shop", "demand", (1234.5678,))


def test_a_number_that_is_no_series_is_an_answer_too(apiserver, metrics):
    (item,) = ask(apiserver, "number")["items"]
    assert item["value"] == "1500m"


@pytest.mark.parametrize(("metric", "namespace"), [("demand", "elsewhere"), ("nothing", "shop"), ("nan", "shop")])
def test_no_number_is_an_empty_list_which_the_autoscaler_takes_for_no_metric(apiserver, metrics, metric, namespace):
    assert ask(apiserver, metric, namespace)["items"] == []


@pytest.mark.parametrize(
    ("metric", "more", "message"),
    [
        ("demands", "", "no metric at .*: there are demand, nothing"),
        ("demand", "?labelSelector=a%3Db", "a selector is not supported"),
        ("wrong", "", "Prometheus did not answer: .*400 Bad Request"),
    ],
)
def test_what_cannot_be_answered_says_why(apiserver, metrics, metric, more, message):
    with pytest.raises(KubectlError, match=message):
        ask(apiserver, metric, more=more)


def test_only_the_api_server_may_ask(apiserver, metrics):
    service = json.loads(
        apiserver.kubectl("get", "service/external-metrics", "--namespace=kube-system", "--output=json")
    )
    port = service["spec"]["ports"][0]["port"]
    trusted = ssl.create_default_context(cafile=apiserver.authority.certificate)
    with (
        httpx.Client(verify=trusted, trust_env=False) as stranger,
        pytest.raises(httpx.TransportError),
    ):
        stranger.get(f"https://localhost:{port}{API}")
    assert ask(apiserver, "demand")["items"]  # ... and a stranger does it no harm
