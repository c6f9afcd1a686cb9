"""The values of the chart: each is explained, a wrong one is refused with its name, and none is in two places."""

import json
import re

import pytest
import yaml

from tests.charts.rendering import CHART, KUBERNETES, template
from tools.bootstrap import ROOT

VALUES = yaml.safe_load((CHART / "values.yaml").read_text())
SCHEMA = json.loads((CHART / "values.schema.json").read_text())


def followed(node):
    """Return a part of the schema with what it refers to."""
    return {**SCHEMA["$defs"][node["$ref"].rpartition("/")[2]], **node} if "$ref" in node else node


def in_schema(node, path=()):
    """Yield each place that the schema names, and its description."""
    for name, each in followed(node).get("properties", {}).items():
        yield (*path, name), each.get("description", "")
        if each.get("type") != "array":
            yield from in_schema(each, (*path, name))


def in_file(values, path=()):
    """Yield each place of values.yaml; resources are Kubernetes' own words."""
    for name, value in values.items():
        yield (*path, name)
        if isinstance(value, dict) and name != "resources":
            yield from in_file(value, (*path, name))


def test_file_and_schema_name_the_same_values():
    assert {path for path, _ in in_schema(SCHEMA)} == {*in_file(VALUES), ("global",)}


def test_every_value_has_a_sentence_in_the_schema():
    for path, description in in_schema(SCHEMA):
        assert len(description) > 10, path
        assert description.endswith("."), path


def test_every_value_has_a_comment_above_it():
    """Or its group has one, where the group says it all (image, ca, resources)."""
    above = [""]
    for line in (CHART / "values.yaml").read_text().splitlines():
        text = line.strip()
        is_value = re.match(r"\w+: *\S", text) is not None
        if is_value and not text.startswith(("requests:", "limits:")):
            assert above[-1].startswith("#"), line
        above.append(text)


@pytest.mark.parametrize("version", KUBERNETES)
def test_the_chart_is_for_the_kubernetes_that_it_says(version):
    done = template({}, f"--kube-version={version}.0")
    assert done.returncode == 0, done.stderr


def test_chart_and_page_say_which_kubernetes_it_is_for():
    span = f"{KUBERNETES[0]} to {KUBERNETES[-1]}"
    assert span in (CHART / "Chart.yaml").read_text()
    assert span in (ROOT / "docs" / "how-to" / "install.md").read_text()


def test_an_older_kubernetes_is_refused():
    done = template({}, "--kube-version=1.30.9")
    assert done.returncode != 0
    assert "requires kubeVersion: >=1.31.0-0 which is incompatible with Kubernetes v1.30.9" in done.stderr


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({"server": {"replica": 2}}, "at '/server': additional properties 'replica' not allowed"),
        ({"sever": {}}, "additional properties 'sever' not allowed"),
        ({"alertmanager": {"urls": ["http://a:1,http://b:1"]}}, "at '/alertmanager/urls/0'"),
        ({"prometheus": {"url": "prometheus:9090"}}, "at '/prometheus/url': 'prometheus:9090' does not match pattern"),
        ({"operator": {"namespaces": "shop"}}, "at '/operator/namespaces': got string, want array"),
        ({"operator": {"interval": 30}}, "at '/operator/interval': got number, want string"),
        ({"operator": {"interval": "30"}}, "at '/operator/interval': '30' does not match pattern"),
        ({"runAsUser": 0}, "at '/runAsUser': minimum: got 0, want 1"),
        ({"server": {"monitors": {"errors": {}}}}, "at '/server/monitors/errors': missing property 'query'"),
        ({"server": {"image": {"tag": "a:b"}}}, "at '/server/image/tag': 'a:b' does not match pattern"),
        ({"server": {"persistence": {"size": "1 GB"}}}, "at '/server/persistence/size'"),
        ({"operator": {"forecasts": {"address": "https://aiops"}}}, "at '/operator/forecasts/address'"),
        ({"server": {"enabled": False}}, "set operator.forecasts.address to HOST:PORT of a server"),
        (
            {"server": {"enabled": False}, "operator": {"forecasts": {"address": "a:1"}}},
            "set auth.token.existingSecret to a Secret that holds its token",
        ),
        ({"operator": {"forecasts": {"address": "a:1"}}}, "or set server.enabled=false"),
        ({"server": {"replicas": 2, "persistence": {"enabled": True}}}, "set server.replicas=1"),
        ({"prometheusRule": {"enabled": True}}, "needs the metrics that serviceMonitor.enabled=true has scraped"),
    ],
    ids=str,
)
def test_wrong_values_are_refused_by_name(values, said):
    done = template(values)
    assert done.returncode != 0
    assert said in done.stderr
