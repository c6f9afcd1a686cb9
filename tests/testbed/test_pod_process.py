"""A container as a process: it gets what its pod says, and its ServiceAccount's rights and no others."""

from pathlib import Path

import httpx
import pytest
import yaml

from testbed.pod_process import _here, pod_process
from testbed.server import NotReadyError

ANSWERS = """
import http.server, json, os, pathlib, subprocess, sys

class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200)
        self.end_headers()
        if self.path == "/saw":
            saw = {"arguments": sys.argv[1:], "environment": dict(os.environ)}
            saw["secret"] = pathlib.Path(sys.argv[2].partition("=")[2]).read_text()
            saw["settings"] = pathlib.Path(os.environ["SETTINGS"]).read_text()
            self.wfile.write(json.dumps(saw).encode())

host, _, port = sys.argv[1].partition("=")[2].rpartition(":")
http.server.HTTPServer((host, int(port)), Handler).serve_forever()
"""


def objects(namespace):
    labels = {"app": "answers"}
    container = {
        "name": "answers",
        "image": "none",
        "command": ["python", "-c", ANSWERS],
        "args": ["--listen=0.0.0.0:8080", "--token=/etc/own/token/word", "--me=$(POD_NAME)", "--to=other.ns.svc:443"],
        "env": [
            {"name": "SETTINGS", "value": "/etc/own/settings.yaml"},
            {"name": "HOME", "value": "/tmp"},
            {"name": "POD_NAME", "valueFrom": {"fieldRef": {"fieldPath": "metadata.name"}}},
        ],
        "ports": [{"name": "http", "containerPort": 8080}],
        "readinessProbe": {"httpGet": {"path": "/ready", "port": "http"}},
        "volumeMounts": [
            {"name": "token", "mountPath": "/etc/own/token"},
            {"name": "settings", "mountPath": "/etc/own"},
            {"name": "tmp", "mountPath": "/tmp"},
        ],
    }
    volumes = [
        {"name": "token", "secret": {"secretName": "token", "items": [{"key": "key", "path": "word"}]}},
        {"name": "settings", "configMap": {"name": "settings"}},
        {"name": "tmp", "emptyDir": {}},
    ]
    pod = {"serviceAccountName": "answers", "containers": [container], "volumes": volumes}
    return [
        {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": namespace}},
        {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "answers"}},
        {
            "apiVersion": "v1",
            "kind": "Secret",
            "metadata": {"name": "token"},
            "stringData": {"key": "secret", "no": "x"},
        },
        {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "settings"}, "data": {"settings.yaml": "a: 1"}},
        {
            "apiVersion": "apps/v1",
            "kind": "Deployment",
            "metadata": {"name": "answers"},
            "spec": {
                "selector": {"matchLabels": labels},
                "template": {"metadata": {"labels": labels}, "spec": pod},
            },
        },
    ]


def test_a_process_gets_what_its_pod_says(cluster, monkeypatch):
    api = cluster.api
    monkeypatch.setenv("AIOPS_PROMETHEUS__URL", "http://of-this-machine.example")
    manifest = yaml.safe_dump_all(objects("answers"))
    api.kubectl("create", "namespace", "answers")
    api.kubectl("apply", "--namespace=answers", "--filename=-", stdin=manifest)
    api.kubectl("rollout", "status", "deployment/answers", "--namespace=answers", "--timeout=60s")
    with pod_process(api, "answers", "answers", reach={"other.ns.svc:443": "localhost:4430"}) as process:
        saw = httpx.get(f"{process.server.url}/saw").json()
        file = Path(saw["environment"]["KUBECONFIG"])
        who = api.kubectl("auth", "whoami", f"--kubeconfig={file}", "--output=jsonpath={.status.userInfo.username}")
        home = process.server.folder
    assert saw["arguments"][0] == f"--listen=127.0.0.1:{process.ports[8080]}"
    assert saw["arguments"][2:] == [f"--me={process.pod}", "--to=localhost:4430"]
    assert (saw["secret"], saw["settings"]) == ("secret", "a: 1")
    assert "AIOPS_PROMETHEUS__URL" not in saw["environment"]
    assert who == "system:serviceaccount:answers:answers"
    assert not home.exists()
    assert not process.server.is_running()


def test_without_a_running_pod_there_is_no_process(cluster):
    api = cluster.api
    (_, account, *_, deployment) = objects("waiting")
    deployment["spec"]["template"]["spec"]["nodeSelector"] = {"no-such": "node"}
    api.kubectl("create", "namespace", "waiting")
    api.kubectl("apply", "--namespace=waiting", "--filename=-", stdin=yaml.safe_dump_all([account, deployment]))
    with (
        pytest.raises(NotReadyError, match=r"waiting/answers has .* and none is running"),
        pod_process(api, "waiting", "answers"),
    ):
        pytest.fail("must not be entered")


@pytest.mark.parametrize(
    ("text", "here"),
    [
        ("--state=/var/lib/own", "--state=/tmp/x/state"),
        ("/tmp/numba", "/tmp/x/tmp/numba"),
        ("--file=/etc/own/token/word", "--file=/tmp/x/token/word"),
        ("--file=/etc/own/settings.yaml", "--file=/tmp/x/own/settings.yaml"),
        ("/etc/owner/file", "/etc/owner/file"),
        ("see/tmp", "see/tmp"),
        ("--listen=0.0.0.0:50051", "--listen=127.0.0.1:4711"),
    ],
)
def test_folders_and_addresses_become_those_of_this_machine_once(text, here):
    mounted = {
        "/var/lib/own": "/tmp/x/state", "/tmp": "/tmp/x/tmp",
        "/etc/own": "/tmp/x/own", "/etc/own/token": "/tmp/x/token",
    }  # fmt: skip
    assert _here(text, mounted, {50051: 4711}, {}) == here
