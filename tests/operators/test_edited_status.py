"""A status that somebody edited: what we do not remember any more is gone from it, whoever wrote it."""

import asyncio
import json
import time

from aiops.adapters.kubernetes_http import KubernetesHttp
from aiops.adapters.kubernetes_scalers import KubernetesScalers
from tests.operators.stage import stays, within, writes


def edit(stage, **state):
    patch = json.dumps({"status": {"state": state}})
    arguments = ("--subresource=status", "--type=merge", f"--patch={patch}")
    stage.api.kubectl("patch", "predictivescaler", "web", f"--namespace={stage.name}", *arguments)


def test_what_somebody_wrote_into_the_state_goes_when_we_leave_it_out(stage):
    stage.scaler()
    scalers = KubernetesScalers(KubernetesHttp(stage.api.client), "tester")
    ours = {"phase": "Watching", "needs": [[1.0, 3]], "decidedAt": 1.0}

    async def play():
        made = await scalers.read(stage.name, "web")
        assert made is not None
        first = await scalers.write_status(made, {"state": ours})
        assert first.status["state"] == ours
        edit(stage, holdUntil=9e9, rolledBackAt=1.0, adopted={"name": "other", "uid": "1", "held": True})
        edited = await scalers.read(stage.name, "web")
        assert edited is not None
        assert edited.status["state"].keys() - ours.keys() == {"holdUntil", "rolledBackAt", "adopted"}
        after = {**ours, "adopted": {"name": "web", "uid": "2"}}
        left = await scalers.write_status(edited, {"state": after})
        assert left.status["state"] == after
        return await scalers.write_status(left, {"state": after})

    last = asyncio.run(play())
    assert last.status["state"] == stage.status()["state"] == {**ours, "adopted": {"name": "web", "uid": "2"}}


def test_a_cool_down_that_somebody_wrote_ends_in_the_status_too_and_the_writing_with_it(served):
    """Without a guard there is no cool-down: the next turn says so, once."""
    served.service(own=3)
    served.scaler()
    within(20, lambda: served.floor() == 10)
    edit(served, holdUntil=time.time() + 1e6)
    within(10, lambda: "holdUntil" not in served.status()["state"])
    time.sleep(1)
    before = writes()
    stays(2, lambda: "holdUntil" not in served.status()["state"])
    assert writes() - before <= 2
