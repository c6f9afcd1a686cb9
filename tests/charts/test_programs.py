"""The real programs understand what the chart gives them: arguments, environment and files."""

import json

import pytest
import typer.main
import yaml

import aiops.cli.main
import operators.main
from aiops.alerting.monitor import Rule, Spec, load_monitors
from aiops.settings import Settings
from tests.charts.rendering import CHART, MATRIX, pick, pods, template

PROGRAMS = {
    ("aiops",): typer.main.get_command(aiops.cli.main.app),
    ("python", "-m", "operators"): typer.main.get_command(operators.main.app),
}


def containers(case):
    return [pod["spec"]["containers"][0] for pod in pods(case).values()]


def parse(container, *more):
    """Have the program read its command line, and do nothing; return what it understood."""
    program = PROGRAMS[tuple(container["command"])]
    name, *rest = container["args"]
    commands = getattr(program, "commands", {})
    command, arguments = (commands[name], rest) if name in commands else (program, [name, *rest])
    return command.make_context(name, [*arguments, *more]).params


@pytest.mark.parametrize("case", MATRIX)
def test_the_programs_understand_their_arguments(case):
    for container in containers(case):
        understood = parse(container)
        for argument in container["args"]:
            name, given, _ = argument.partition("=")
            if given:
                assert name.removeprefix("--").replace("-", "_") in understood


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
            found = Settings.from_environment()
            assert str(found.prometheus.url) == "http://prometheus-operated.monitoring.svc:9090/"
            assert list(found.alertmanager.replicas.values()) == MATRIX[case].get("alertmanager", {}).get(
                "urls", ["http://alertmanager-operated.monitoring.svc:9093/"]
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


def test_the_operator_is_told_where_people_read_what_to_do():
    url = "https://wiki.example/aiops/scale-ahead#a-change-was-rolled-back"
    done = template({"operator": {"runbookUrl": url}}, "--show-only=templates/operator/deployment.yaml")
    (container,) = yaml.safe_load(done.stdout)["spec"]["template"]["spec"]["containers"]
    assert f"--runbook={url}" in container["args"]
    parse(container)
