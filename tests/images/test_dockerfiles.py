"""The Dockerfiles, read: no test builds an image (images/README.md), so what reading can tell is due all the more."""

import re
from pathlib import Path

import pytest
import yaml

from tests.charts.rendering import CHART, pods
from tests.images.dockerfile import IMAGES, copied, exec_form, read, sent_to_the_builder
from tools.bootstrap import ROOT
from tools.lock import PROFILES

IN_THE_CHART = {"server": "demo-aiops-server", "operator": "demo-aiops-operator"}


def test_there_is_an_image_for_each_deployable():
    assert {"server", "operator"} <= set(IMAGES)


@pytest.mark.parametrize("image", IMAGES)
def test_what_is_copied_exists_and_is_sent_to_the_builder(image):
    stages = read(image)
    for stage in stages:
        for step in stage.all("COPY"):
            origin, sources, _ = copied(step)
            if origin is not None:
                assert origin in {each.name for each in stages}
                continue
            for source in sources:
                assert (ROOT / source).exists(), source
                assert sent_to_the_builder(Path(source)), source


@pytest.mark.parametrize("image", IMAGES)
def test_bases_are_pinned_by_a_tag_that_names_a_version(image):
    for stage in read(image):
        assert re.fullmatch(r"[a-z/]+:\d+\.\d+[-.\w]*(@sha256:[0-9a-f]{64})?", stage.base), stage.base


@pytest.mark.parametrize("image", IMAGES)
def test_dependencies_come_from_a_lock_file_with_hashes_and_need_no_compiler(image):
    locks = set()
    for stage in read(image):
        for step in stage.all("RUN"):
            for command in step.split("&&"):
                if re.search(r"pip install .*requirements/", command):
                    assert "--require-hashes" in command
                    assert "--only-binary=:all:" in command
                    locks |= set(re.findall(r"requirements/(\w+)\.txt", command))
                elif "pip install" in command:
                    assert "--no-deps" in command, command
    assert locks - {"bootstrap"}
    assert locks <= {*PROFILES, "bootstrap"}


@pytest.mark.parametrize("image", IMAGES)
def test_the_last_stage_has_no_build_tools_and_runs_as_nobody_special(image):
    *build, last = read(image)
    assert build
    builds = re.compile(r"\b(pip|uv) .*\b(install|sync)\b|\b(curl|wget|gcc|build-essential)\b|-dev\b")
    assert not [step for step in last.all("RUN") if builds.search(step)]
    user, _, group = last.last("USER").partition(":")
    assert int(user) > 0
    assert group == "" or int(group) >= 0
    position = {instruction: place for place, (instruction, _) in enumerate(last.steps)}
    assert position["USER"] > max(place for place, (name, _) in enumerate(last.steps) if name in ("RUN", "COPY"))


@pytest.mark.parametrize("image", IN_THE_CHART)
def test_chart_and_image_agree(image):
    pod = pods("defaults")[IN_THE_CHART[image]]["spec"]
    (container,) = pod["containers"]
    last = read(image)[-1]
    assert container["command"] == exec_form(last.last("ENTRYPOINT"))
    assert {str(port["containerPort"]) for port in container["ports"]} == set(last.last("EXPOSE").split())
    assert f"{pod['securityContext']['runAsUser']}:{pod['securityContext']['runAsGroup']}" == last.last("USER")
    values = yaml.safe_load((CHART / "values.yaml").read_text())
    assert f"aiops-{image}:" in (ROOT / "images" / image / "Dockerfile").read_text()
    assert values[image]["image"]["repository"] == f"aiops-{image}"


@pytest.mark.parametrize("image", IN_THE_CHART)
def test_what_the_image_writes_is_writable_in_the_chart(image):
    """The root is read-only there: each folder that the image's environment names has to be on a volume."""
    (container,) = pods("defaults")[IN_THE_CHART[image]]["spec"]["containers"]
    mounted = [mount["mountPath"] for mount in container["volumeMounts"] if not mount.get("readOnly")]
    environment = dict(word.split("=", 1) for word in read(image)[-1].last("ENV").split())
    for name in ("HOME", "NUMBA_CACHE_DIR"):
        assert any(f"{environment[name]}/".startswith(f"{path}/") for path in mounted), name
