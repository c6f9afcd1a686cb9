"""What `kubectl get` and `kubectl describe` say at night: why nothing is done yet, what was changed, how to stop it."""

import re
import shlex
from datetime import UTC, datetime, timedelta

from tests.operators.stage import within


def described(stage):
    return stage.api.kubectl("describe", "pscaler", "web", f"--namespace={stage.name}")


def test_who_wrote_mode_floor_reads_why_nothing_is_done_yet_and_when_it_will_be(served):
    served.service(own=3)
    served.scaler(trust={"proving": "1d"})
    within(20, lambda: served.status().get("phase") == "Proving")
    within(10, lambda: "Unproven" in [reason for reason, _ in served.events()])
    since = served.status()["state"]["skill"]["since"]
    earliest = f"{datetime.fromtimestamp(since, UTC) + timedelta(days=1):%Y-%m-%d %H:%M} UTC"
    conditions, events = described(served).split("\nEvents:")
    for said in (conditions, events):
        assert "mode Floor is written, and nothing is changed yet" in said
        assert f"They act from {earliest} on, at the earliest" in said
    assert served.floor() == 3
    assert served.status()["message"] == "not done: 3 -> 10: demand of up to 500 needs 10 replicas"


def test_what_was_changed_and_how_to_stop_it_is_said_and_works(served):
    served.service(own=3)
    served.scaler()
    within(20, lambda: served.floor() == 10)
    within(10, lambda: served.reason("ScalingActive") == "ModeFloor")
    change = served.status()["lastChange"]
    assert (change["from"], change["to"], change["reason"]) == (3, 10, "DesiredWithinRange")
    assert change["message"] == "3 -> 10: demand of up to 500 needs 10 replicas"
    of_hpa = served.api.kubectl("describe", "hpa", "web", f"--namespace={served.name}")
    assert f"PredictiveScaler web: minReplicas {change['message']}" in of_hpa.split("\nEvents:")[1]
    listed = served.api.kubectl("get", "pscaler", "web", f"--namespace={served.name}")
    heads, values = (re.split(r"\s{2,}", line.strip()) for line in listed.splitlines())
    shown = dict(zip(heads, values, strict=True))
    assert (shown["MODE"], shown["EFFECTIVE"], shown["FLOOR"]) == ("Floor", "Floor", "10")
    assert shown["CHANGED"]
    (command,) = re.findall(r"to stop it now: kubectl (.*)", served.condition("ScalingActive")["message"])
    served.api.kubectl(*shlex.split(command))
    within(20, lambda: served.floor() == 3)
    within(10, lambda: served.reason("ScalingActive") == "Suspended")
    assert served.status()["lastChange"] == change, "kept longer than its Event"
