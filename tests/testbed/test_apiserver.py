"""The real Kubernetes API: it answers, checks what it is given, and knows who may do what."""

import json
import signal
from pathlib import Path

import pytest
import yaml
from kubernetes import client
from kubernetes.client.exceptions import ApiException

import testbed.apiserver
from testbed.apiserver import KubectlError
from tools.catalog import ToolMissingError

SIZES = {
    "apiVersion": "apiextensions.k8s.io/v1",
    "kind": "CustomResourceDefinition",
    "metadata": {"name": "ranges.testbed.example"},
    "spec": {
        "group": "testbed.example",
        "scope": "Namespaced",
        "names": {"plural": "ranges", "singular": "range", "kind": "Range"},
        "versions": [
            {
                "name": "v1",
                "served": True,
                "storage": True,
                "schema": {
                    "openAPIV3Schema": {
                        "type": "object",
                        "properties": {
                            "spec": {
                                "type": "object",
                                "properties": {"low": {"type": "integer"}, "high": {"type": "integer"}},
                                "x-kubernetes-validations": [
                                    {"rule": "self.low <= self.high", "message": "low must not exceed high"}
                                ],
                            }
                        },
                    }
                },
            }
        ],
    },
}


def namespace(api, name):
    client.CoreV1Api(api.client).create_namespace(client.V1Namespace(metadata=client.V1ObjectMeta(name=name)))
    return name


def range_of(low, high):
    body = {"apiVersion": "testbed.example/v1", "kind": "Range", "metadata": {"name": "r"}}
    return yaml.safe_dump({**body, "spec": {"low": low, "high": high}})


def test_it_has_the_version_that_was_asked_for_and_is_checked_by_certificate(apiserver):
    assert client.VersionApi(apiserver.client).get_code().git_version == "v1.36.2"
    said = json.loads(apiserver.kubectl("version", "--output=json"))
    assert said["serverVersion"]["gitVersion"] == said["clientVersion"]["gitVersion"] == "v1.36.2"


def test_a_rule_of_a_custom_resource_refuses_with_its_message(apiserver):
    home = namespace(apiserver, "rules")
    apiserver.kubectl("apply", "--filename=-", stdin=yaml.safe_dump(SIZES))
    apiserver.kubectl("wait", "--for=condition=Established", "crd/ranges.testbed.example", "--timeout=30s")
    apiserver.kubectl("apply", f"--namespace={home}", "--filename=-", stdin=range_of(1, 2))
    with pytest.raises(KubectlError, match="low must not exceed high"):
        apiserver.kubectl("apply", f"--namespace={home}", "--filename=-", stdin=range_of(3, 2))


def test_a_service_account_may_do_what_its_role_says_and_no_more(apiserver):
    home = namespace(apiserver, "roles")
    apiserver.kubectl("create", "serviceaccount", "reader", f"--namespace={home}")
    apiserver.kubectl("create", "role", "reader", "--verb=list", "--resource=configmaps", f"--namespace={home}")
    apiserver.kubectl(
        "create", "rolebinding", "reader", "--role=reader", f"--serviceaccount={home}:reader", f"--namespace={home}"
    )
    token = apiserver.kubectl("create", "token", "reader", f"--namespace={home}").strip()
    with apiserver.client_with(token) as limited:
        core = client.CoreV1Api(limited)
        core.list_namespaced_config_map(home)
        with pytest.raises(ApiException, match="cannot list resource") as refused:
            core.list_namespaced_secret(home)
    assert refused.value.status == 403


def test_a_token_that_nobody_gave_out_is_refused(apiserver):
    with (
        apiserver.client_with("guessed") as stranger,
        pytest.raises(ApiException) as refused,
    ):
        client.CoreV1Api(stranger).list_namespace()
    assert refused.value.status == 401


def test_a_namespace_can_insist_on_restricted_pods(apiserver):
    home = namespace(apiserver, "restricted")
    apiserver.kubectl("label", "namespace", home, "pod-security.kubernetes.io/enforce=restricted")
    client.CoreV1Api(apiserver.client).create_namespaced_service_account(
        home, client.V1ServiceAccount(metadata=client.V1ObjectMeta(name="default"))
    )
    with pytest.raises(KubectlError, match=r'violates PodSecurity "restricted'):
        apiserver.kubectl("run", "loose", "--image=none", f"--namespace={home}")


def test_it_is_killed_at_the_end_and_leaves_nothing():
    with testbed.apiserver.apiserver() as api:
        store, server = api.servers
        folders = [store.folder, server.folder, api.authority.folder]
        assert all(folder.is_dir() for folder in folders)
    assert server.process.returncode == -signal.SIGKILL
    assert not store.is_running()
    assert not any(folder.exists() for folder in folders)
    assert not any(Path(f"/proc/{each.process.pid}").exists() for each in (store, server))


def test_missing_programs_say_how_to_get_them(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    with (
        pytest.raises(ToolMissingError, match=r"get it with: make tools$"),
        testbed.apiserver.apiserver(),
    ):
        pytest.fail("must not be entered")
    assert list(tmp_path.iterdir()) == []
