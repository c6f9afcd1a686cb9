"""The chart without a cluster: what it renders is valid for every supported Kubernetes, and fits together."""

import base64
import json
import subprocess
from functools import cache

import kubernetes_validate
import pytest
import yaml
from cryptography import x509

from tests.charts.rendering import CHART, KUBERNETES, MATRIX, NAMESPACE, helm, pick, pods, rendered

# Their schemas come with the Prometheus Operator; tests/charts/test_admission.py has the API server check them.
NOT_OF_KUBERNETES = {"ServiceMonitor", "PrometheusRule"}


@cache
def validate(text, version):
    """Objects that are the same in several cases cost once."""
    kubernetes_validate.validate(json.loads(text), version, strict=True)


@pytest.mark.parametrize("case", ["defaults", "watching", "monitored", "everything else"])
def test_lint_is_strict_and_content(case, tmp_path):
    values = tmp_path / "values.yaml"
    values.write_text(yaml.safe_dump(MATRIX[case]))
    done = helm("lint", "--strict", CHART, f"--values={values}")
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("version", KUBERNETES)
@pytest.mark.parametrize("case", MATRIX)
def test_every_object_is_valid_for_every_supported_kubernetes(case, version):
    objects = [each for each in rendered(case) if each["kind"] not in NOT_OF_KUBERNETES]
    assert len(objects) > 5
    for each in objects:
        validate(json.dumps(each), version)


def test_the_validation_notices_a_wrong_field():
    broken = json.loads(json.dumps(pick("defaults", "Deployment", "server")))
    broken["spec"]["template"]["spec"]["runAsNonRoot"] = True
    with pytest.raises(kubernetes_validate.ValidationError, match="runAsNonRoot"):
        kubernetes_validate.validate(broken, KUBERNETES[0], strict=True)


@pytest.mark.parametrize("case", MATRIX)
def test_pods_are_restricted_whatever_the_values(case):
    assert pods(case)
    for name, pod in pods(case).items():
        spec = pod["spec"]
        assert spec["securityContext"]["runAsNonRoot"] is True, name
        assert spec["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
        assert spec["enableServiceLinks"] is False  # else AIOPS_..._SERVICE_HOST would be refused as unknown settings
        (container,) = spec["containers"]
        assert container["securityContext"] == {
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "capabilities": {"drop": ["ALL"]},
        }
        assert container["resources"]["limits"]["memory"]
        mounted = {mount["name"] for mount in container["volumeMounts"]}
        assert mounted == {volume["name"] for volume in spec["volumes"]}
        assert "tmp" in mounted


@pytest.mark.parametrize("case", MATRIX)
def test_everything_that_is_named_is_there_or_said_to_exist(case):
    """Secrets, ConfigMaps, claims and ServiceAccounts that pods name are of the release, or were given as values."""
    made = {(each["kind"], each["metadata"]["name"]) for each in rendered(case)}
    given = json.dumps(MATRIX[case])
    for pod in pods(case).values():
        spec = pod["spec"]
        named = [("ServiceAccount", spec["serviceAccountName"])]
        for volume in spec["volumes"]:
            named += [("Secret", volume["secret"]["secretName"])] if "secret" in volume else []
            named += [("ConfigMap", volume["configMap"]["name"])] if "configMap" in volume else []
            if "persistentVolumeClaim" in volume:
                named.append(("PersistentVolumeClaim", volume["persistentVolumeClaim"]["claimName"]))
        for kind, name in named:
            assert (kind, name) in made or f'"{name}"' in given, (kind, name)


@pytest.mark.parametrize("case", MATRIX)
def test_selectors_find_their_pods_and_nothing_else(case):
    labels = {name: pod["metadata"].get("labels", {}) for name, pod in pods(case).items()}
    for each in rendered(case):
        spec = each.get("spec", {})
        selector = {
            "Service": lambda spec: spec["selector"],
            "Deployment": lambda spec: spec["selector"]["matchLabels"],
            "PodDisruptionBudget": lambda spec: spec["selector"]["matchLabels"],
            "NetworkPolicy": lambda spec: spec["podSelector"]["matchLabels"],
        }.get(each["kind"])
        if selector is not None:
            wanted = selector(spec)
            found = [name for name, has in labels.items() if wanted.items() <= has.items()]
            assert found == [each["metadata"]["name"]], each["kind"]


def test_names_stay_apart_and_short_for_any_release_name():
    done = helm("template", "a" * 53, CHART, f"--namespace={NAMESPACE}")
    assert done.returncode == 0, done.stderr
    names = [(each["kind"], each["metadata"]["name"]) for each in yaml.safe_load_all(done.stdout) if each]
    assert len(names) == len(set(names))
    assert all(len(name) <= 63 for kind, name in names if kind != "CustomResourceDefinition")


def test_termination_waits_for_the_drain():
    spec = pods("defaults")["demo-aiops-server"]["spec"]
    (container,) = spec["containers"]
    assert "--drain=20s" in container["args"]
    before = container["lifecycle"]["preStop"]["sleep"]["seconds"]
    assert spec["terminationGracePeriodSeconds"] >= before + 20 + 5


def test_the_certificate_that_the_chart_makes_is_good_for_the_address_that_the_operator_calls(tmp_path):
    data = pick("defaults", "Secret", "-tls")["data"]
    for name in ("ca.crt", "tls.crt"):
        (tmp_path / name).write_bytes(base64.b64decode(data[name]))
    (address,) = [
        argument.removeprefix("--forecasts=")
        for argument in pods("defaults")["demo-aiops-operator"]["spec"]["containers"][0]["args"]
        if argument.startswith("--forecasts=")
    ]
    host, _, port = address.rpartition(":")
    assert port == "50051"
    checked = subprocess.run(
        ["openssl", "verify", "-CAfile", tmp_path / "ca.crt", "-verify_hostname", host, tmp_path / "tls.crt"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert checked.returncode == 0, checked.stderr
    certificate = x509.load_pem_x509_certificate((tmp_path / "tls.crt").read_bytes())
    assert (certificate.not_valid_after_utc - certificate.not_valid_before_utc).days > 3600


def test_both_programs_are_given_the_same_token():
    for case in ("defaults", "existing secrets"):
        named = {
            (volume["secret"]["secretName"], volume["secret"]["items"][0]["key"])
            for name, pod in pods(case).items()
            for volume in pod["spec"]["volumes"]
            if volume["name"] == "token"
        }
        assert len(named) == 1
    assert named == {("token", "bearer")}


def test_an_outbox_on_a_volume_has_one_writer_at_a_time():
    assert pick("volume", "Deployment", "server")["spec"]["strategy"] == {"type": "Recreate"}
    assert pick("defaults", "Deployment", "server")["spec"]["strategy"]["type"] == "RollingUpdate"
