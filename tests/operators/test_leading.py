"""Two operators: one works, the other takes over; neither writes what the other has written."""

import time

import pytest

from testbed.api_proxy import api_proxy
from tests.operators.process import Process
from tests.operators.stage import within

HAND_OVER_SECONDS = 20


def holder(stage):
    return stage.api.kubectl(
        "get", "lease", "aiops-operator", f"--namespace={stage.name}", "--output=jsonpath={.spec.holderIdentity}"
    )


def test_one_works_and_the_other_takes_over_within_20_s_of_its_death(api, stage, tmp_path):
    knob = stage.knob("demand", otherwise=500)
    with api_proxy(api) as first_way, api_proxy(api) as second_way:
        stage.service(own=3)
        stage.scaler(query=knob.query)
        with Process(stage, first_way.kubeconfig(api), tmp_path, "first") as first:
            within(30, lambda: stage.floor() == 10)
            with Process(stage, second_way.kubeconfig(api), tmp_path, "second"):
                time.sleep(5)
                assert holder(stage).startswith("first_")
                assert second_way.writes == [], "the one that waits writes nothing"
                knob.set(1000)
                before = len(first_way.writes)
                within(15, lambda: stage.floor() == 20)
                first.kill()
                killed, so_far = time.monotonic(), len(first_way.writes)
                knob.set(1500)
                took = within(HAND_OVER_SECONDS, lambda: stage.floor() > 20, "the second takes over")
                assert holder(stage).startswith("second_")
                print(f"\nkilled -> the other one has raised the floor: {time.monotonic() - killed:.1f} s")
    assert so_far > before
    assert took < HAND_OVER_SECONDS
    raised = [each for each in second_way.writes if "/horizontalpodautoscalers/" in each.path]
    assert raised, "it writes once it leads"


def test_one_that_is_stopped_hands_over_at_once(api, stage, tmp_path):
    knob = stage.knob("demand", otherwise=500)
    stage.service(own=3)
    stage.scaler(query=knob.query)
    with Process(stage, api.kubeconfig, tmp_path, "first") as first:
        within(30, lambda: stage.floor() == 10)
        with Process(stage, api.kubeconfig, tmp_path, "second") as second:
            time.sleep(4)
            asked = time.monotonic()
            assert first.stop() == 0
            stopped = time.monotonic()
            within(5, lambda: holder(stage).startswith("second_"))
            leads = time.monotonic()
            knob.set(1000)
            within(10, lambda: stage.floor() > 10)
            print(
                f"\nstopped in {stopped - asked:.1f} s; {leads - asked:.1f} s after the signal the other one leads, "
                f"{time.monotonic() - asked:.1f} s after it has raised the floor"
            )
            assert second.stop() == 0
    assert holder(stage) == ""


@pytest.mark.slow
def test_one_that_cannot_reach_the_api_stops_writing_before_the_other_starts(api, stage, tmp_path):
    """Cut off, not dead: it must not write what it had decided when the way is free again."""
    knob = stage.knob("demand", otherwise=500)
    with api_proxy(api) as first_way:
        stage.service(own=3)
        stage.scaler(query=knob.query)
        with Process(stage, first_way.kubeconfig(api), tmp_path, "first") as first:
            within(30, lambda: stage.floor() == 10)
            with Process(stage, api.kubeconfig, tmp_path, "second"):
                time.sleep(3)
                first_way.fail()
                cut, so_far = time.monotonic(), len(first_way.writes)
                knob.set(1000)
                within(HAND_OVER_SECONDS, lambda: stage.floor() > 10)
                print(f"\ncut off -> the other one has raised the floor: {time.monotonic() - cut:.1f} s")
                first_way.recover()
                time.sleep(5)
                assert len(first_way.writes) == so_far
                assert holder(stage).startswith("second_")
                assert first.process.poll() is None, "it waits for its turn"
                assert "lease lost" in first.log.read_text()
