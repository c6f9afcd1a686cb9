"""The real programs take what the chart gives them: arguments, environment, files, and rights."""

import base64
import contextlib
import json
import subprocess
import sys
import time
from pathlib import Path

import httpx
import pytest
import typer.main
import yaml

import aiops.cli.main
import operators.main
from aiops.alerting.monitor import Rule, Spec, load_monitors
from aiops.settings import Settings
from testbed.apiserver import KubectlError
from testbed.server import free_port, running
from tests.charts.rendering import CHART, MATRIX, NAMESPACE, pick, pods, template
from tools.bootstrap import ROOT

PROGRAMS = {
    ("aiops",): typer.main.get_command(aiops.cli.main.app),
    ("python", "-m", "operators"): typer.main.get_command(operators.main.app),
}
WEB = [
    {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": "web"},
        "spec": {
            "replicas": 3,
            "selector": {"matchLabels": {"app": "web"}},
            "template": {
                "metadata": {"labels": {"app": "web"}},
                "spec": {"containers": [{"name": "web", "image": "none"}]},
            },
        },
    },
    {
        "apiVersion": "autoscaling/v2",
        "kind": "HorizontalPodAutoscaler",
        "metadata": {"name": "web"},
        "spec": {
            "scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": "web"},
            "minReplicas": 3,
            "maxReplicas": 40,
        },
    },
]


def containers(case):
    return [pod["spec"]["containers"][0] for pod in pods(case).values()]


def parse(container, *more):
    """Have the program read its command line, and do nothing."""
    program = PROGRAMS[tuple(container["command"])]
    name, *rest = container["args"]
    commands = getattr(program, "commands", {})
    command, arguments = (commands[name], rest) if name in commands else (program, [name, *rest])
    command.make_context(name, [*arguments, *more])


@pytest.mark.parametrize("case", MATRIX)
def test_the_programs_understand_their_arguments(case):
    for container in containers(case):
        parse(container)


@pytest.mark.parametrize("name", ["demo-aiops-server", "demo-aiops-operator", "demo-aiops-operator-give-back"])
def test_an_argument_that_they_do_not_know_would_be_noticed(name):
    (container,) = pods("defaults")[name]["spec"]["containers"]
    with pytest.raises(Exception, match="No such option: --queues"):
        parse(container, "--queues=3")


@pytest.mark.parametrize("case", MATRIX)
def test_the_settings_understand_their_environment(case, monkeypatch, tmp_path):
    for container in containers(case):
        with monkeypatch.context() as patch:
            for each in container["env"]:
                if each["name"].startswith("AIOPS_"):
                    value = each["value"]
                    if each["name"].endswith("_FILE"):
                        (tmp_path / "file").touch()
                        value = str(tmp_path / "file")
                    patch.setenv(each["name"], value)
            assert str(Settings.from_environment().prometheus.url) == MATRIX[case].get("prometheus", {}).get(
                "url", "http://prometheus-operated.monitoring.svc:9090/"
            )


def test_the_server_reads_the_monitors():
    (text,) = pick("watching", "ConfigMap", "monitors")["data"].values()
    (monitor,) = load_monitors(text)
    assert monitor.name == "errors"
    assert monitor.spec.query == 'sum(rate(errors_total{app="a:b"}[5m]))'


def test_the_schema_knows_the_fields_of_a_monitor():
    monitors = json.loads((CHART / "values.schema.json").read_text())["properties"]["server"]["properties"]["monitors"]
    fields = monitors["additionalProperties"]["properties"]
    assert set(fields) == {field.alias or name for name, field in Spec.model_fields.items()}
    assert set(fields["rule"]["properties"]) == {field.alias or name for name, field in Rule.model_fields.items()}


class Deployed:
    """The pods of a release as processes: their arguments, environment and mounted files, on loopback."""

    def __init__(self, objects, folder):
        self.objects = {(each["kind"], each["metadata"]["name"]): each for each in objects}
        self.folder = folder
        self.server = f"127.0.0.1:{free_port()}"

    def container(self, kind, name):
        spec = self.objects[kind, name]["spec"]["template"]["spec"]
        for volume in spec["volumes"]:
            (path,) = [
                each["mountPath"] for each in spec["containers"][0]["volumeMounts"] if each["name"] == volume["name"]
            ]
            self._fill(Path(f"{self.folder}{path}"), volume)
        return spec["containers"][0]

    def _fill(self, path, volume):
        """As kubelet does."""
        path.mkdir(parents=True, exist_ok=True)
        if "secret" in volume:
            data = self.objects["Secret", volume["secret"]["secretName"]]["data"]
            items = volume["secret"].get("items") or [{"key": key, "path": key} for key in data]
            for item in items:
                (path / item["path"]).write_bytes(base64.b64decode(data[item["key"]]))
        if "configMap" in volume:
            for name, text in self.objects["ConfigMap", volume["configMap"]["name"]]["data"].items():
                (path / name).write_text(text)

    def command(self, kind, name, kubeconfig, metrics=None):
        """The command line; addresses become loopback's, and mounted paths those of the folder."""
        container = self.container(kind, name)
        environment = {each["name"]: each.get("value", "pod-1") for each in container["env"]}
        environment |= {"KUBECONFIG": str(kubeconfig), "PYTHONPATH": str(ROOT)}
        arguments = []
        for argument in container["args"]:
            option, _, value = argument.partition("=")
            if value.startswith(("/etc/", "/var/")):
                value = f"{self.folder}{value}"
            value = {"--listen": self.server, "--forecasts": self.server, "--metrics": f"127.0.0.1:{metrics}"}.get(
                option, value
            )
            arguments.append(f"{option}={value}" if value else option)
        program = [sys.executable, *container["command"][1:]]
        if container["command"] == ["aiops"]:
            program = [Path(sys.executable).with_name("aiops")]
        return ["env", *(f"{key}={value}" for key, value in environment.items()), *program, *arguments]


def kubeconfig_of(api, account, file):
    config = yaml.safe_load(api.kubeconfig.read_text())
    config["users"][0]["user"] = {"token": api.kubectl("create", "token", account, f"--namespace={NAMESPACE}").strip()}
    file.write_text(yaml.safe_dump(config))
    return file


def scaler(mode):
    return {
        "apiVersion": "aiops.dev/v1alpha1",
        "kind": "PredictiveScaler",
        "metadata": {"name": "web"},
        "spec": {
            "mode": mode,
            "interval": "1s",
            "target": {"apiVersion": "apps/v1", "kind": "Deployment", "name": "web"},
            "hpa": {"name": "web"},
            "bounds": {"minReplicas": 2, "maxReplicas": 40},
            "load": {"query": "vector(500)", "step": "1m", "history": "1d", "capacityPerReplica": 50},
            "forecast": {"window": "4m"},
            "behavior": {"scaleUp": {"maxStepReplicas": 40}},
        },
    }


def wait_until(holds, seconds, said):
    deadline = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < deadline, said()
        time.sleep(0.1)


def test_a_floor_is_raised_with_the_charts_certificate_token_and_rights_and_given_back(
    apiserver, prometheus, alertmanager, tmp_path
):
    done = template(
        {
            "prometheus": {"url": prometheus.url},
            "alertmanager": {"url": alertmanager.url},
            "server": {"monitors": {"answers": {"query": "vector(1)", "step": "1m", "history": "1h"}}},
        },
        release="programs",
    )
    assert done.returncode == 0, done.stderr
    objects = [each for each in yaml.safe_load_all(done.stdout) if each]
    kinds = ("ServiceAccount", "Role", "RoleBinding", "ClusterRole", "ClusterRoleBinding", "Lease")
    for name in (NAMESPACE, "floors"):
        with contextlib.suppress(KubectlError):
            apiserver.kubectl("create", "namespace", name)
    crd = [each for each in objects if each["kind"] == "CustomResourceDefinition"]
    apiserver.kubectl("apply", "--server-side", "--force-conflicts", "--filename=-", stdin=yaml.safe_dump_all(crd))
    apiserver.kubectl("wait", "--for=condition=Established", "crd/predictivescalers.aiops.dev", "--timeout=30s")
    apiserver.kubectl(
        "apply", "--filename=-", stdin=yaml.safe_dump_all([each for each in objects if each["kind"] in kinds])
    )
    kubeconfig = kubeconfig_of(apiserver, "programs-aiops-operator", tmp_path / "kubeconfig")
    release = Deployed(objects, tmp_path)

    def apply(*objects):
        apiserver.kubectl("apply", "--namespace=floors", "--filename=-", stdin=yaml.safe_dump_all(objects))

    def get(kind):
        return json.loads(apiserver.kubectl("get", kind, "web", "--namespace=floors", "--output=json"))

    def floor():
        return get("hpa")["spec"]["minReplicas"]

    def condition(name):
        found = get("predictivescaler").get("status", {}).get("conditions", [])
        return next((each["status"] for each in found if each["type"] == name), None)

    def server(port, _):
        return release.command("Deployment", "programs-aiops-server", "", port)

    def operator(port, _):
        return release.command("Deployment", "programs-aiops-operator", kubeconfig, port)

    with (
        running("aiops-server", server, ready_path="/readyz") as serving,
        running("aiops-operator", operator, ready_path="/readyz") as operating,
    ):

        def said():
            return f"{get('predictivescaler')}\n{operating.log_tail()}\n{serving.log_tail()}"

        apply(*WEB, scaler("Shadow"))
        wait_until(lambda: condition("ForecastAvailable") == "True", 30, said)
        assert floor() == 3, "Shadow changes nothing"
        apply(scaler("Floor"))
        wait_until(lambda: floor() == 10, 30, said)
        asked = httpx.get(f"{operating.url}/metrics").text
        assert "aiops_kubernetes_requests_total{" in asked
        assert 'code="403"' not in asked
    # Whoever gives back takes the lease from an operator that still works, and waits for it; this one has let go of it.
    given_back = release.command("Job", "programs-aiops-operator-give-back", kubeconfig)
    subprocess.run(list(map(str, given_back)), check=True, timeout=60)
    assert floor() == 3
