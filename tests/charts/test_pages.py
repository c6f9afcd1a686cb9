"""What the installation page and the chart's notes have people write works as it stands there."""

import re

import pytest
import yaml

from aiops.scaling.policy_file import spec_from
from tests.charts.rendering import CHART, NAMESPACE, helm, template
from tests.charts.test_rights import DIRECT, FLOOR, LEASE, NODES, PODS
from tools.bootstrap import ROOT

PAGE = (ROOT / "docs" / "how-to" / "install.md").read_text()
BLOCKS = [yaml.safe_load(text) for text in re.findall(r"```yaml\n(.*?)```", PAGE, flags=re.DOTALL)]
VALUES = [each for each in BLOCKS if "kind" not in each]


def spec_of(manifest):
    """The spec as the operator reads it."""
    assert (manifest["apiVersion"], manifest["kind"]) == ("aiops.dev/v1alpha1", "PredictiveScaler")
    return spec_from(manifest["spec"])


def notes(**values):
    options = ("--dry-run=client", f"--namespace={NAMESPACE}", "--values=-")
    done = helm("install", "demo", CHART, *options, stdin=yaml.safe_dump(values))
    assert done.returncode == 0, done.stderr
    return done.stdout.split("NOTES:")[1]


def test_the_first_predictive_scaler_of_the_page_is_one():
    (manifest,) = [each for each in BLOCKS if each.get("kind") == "PredictiveScaler"]
    assert spec_of(manifest).mode == "Shadow"


@pytest.mark.parametrize("values", VALUES, ids=lambda each: "+".join(each))
def test_the_values_of_the_page_are_taken(values):
    done = template(values)
    assert done.returncode == 0, done.stderr


def test_the_page_names_values_that_there_are():
    known = yaml.safe_load((CHART / "values.yaml").read_text())
    named = re.findall(r"`((?:auth|server|operator|crds|prometheus|serviceMonitor)\.[A-Za-z.]+)", PAGE)
    assert len(named) > 8
    for name in named:
        value = known
        for part in name.split("."):
            value = value[part]


def test_the_table_of_rights_is_that_of_the_tests():
    table = PAGE.split("## What the operator may do")[1].split("\n## ")[0]
    resources = {key[1] for rights in (FLOOR, DIRECT, LEASE, PODS, NODES) for key in rights}
    of_targets = {"deployments", "statefulsets", "deployments/scale", "statefulsets/scale"}
    assert set(re.findall(r"^\| `([a-z/]+)`", table, flags=re.MULTILINE)) == resources - of_targets


def test_the_notes_show_a_predictive_scaler_that_is_one():
    (text,) = re.findall(r"(  apiVersion:.*?)\n\n", notes(), flags=re.DOTALL)
    spec = spec_of(yaml.safe_load(text))
    assert spec.mode == "Shadow"


def test_the_notes_show_how_to_read_the_token_and_warn_of_what_is_left_out():
    plain = notes()
    assert "kubectl get secret demo-aiops-token --namespace monitoring" in plain
    assert "serves no trained bundle" in plain
    assert "It watches nothing yet" in plain
    assert "WARNING" not in plain
    named = {"registry": {"url": "http://mlflow:5000"}, "server": {"monitors": {"a": {"query": "up"}}}}
    quiet = notes(**named, auth={"tls": {"enabled": False}}, operator={"allow": {"floor": False}})
    assert "no trained bundle" not in quiet
    assert "watches nothing" not in quiet
    assert "WARNING: without TLS" in quiet
    assert "Mode Floor is not allowed" in quiet


def test_the_name_that_a_certificate_needs_is_that_of_the_service():
    (name,) = re.findall(r"the name `([a-z.-]+)` has to be in the certificate", PAGE)
    done = template({}, "--show-only=templates/server/service.yaml", release="aiops")
    assert name == f"{yaml.safe_load(done.stdout)['metadata']['name']}.aiops.svc"
