"""The operator killed at every request that changes something, and started again: the same end."""

import contextlib
from dataclasses import dataclass, field

import pytest

from testbed.api_proxy import ApiProxy, Write, api_proxy
from tests.operators.process import Process
from tests.operators.stage import within
from tests.operators.test_floor import OWN, given_back


@dataclass
class Assassin:
    """Kills the operator at its nth write: before the API sees it, or before the operator hears of the answer."""

    proxy: ApiProxy
    at: int
    heard: bool
    victim: Process | None = None
    struck: list[Write] = field(default_factory=list)

    def before(self, write: Write) -> bool:
        return self.heard or self._strike(write)

    def after(self, write: Write) -> bool:
        return not self.heard or self._strike(write)

    def _strike(self, write: Write) -> bool:
        if write.number != self.at or self.struck or self.victim is None:
            return True
        self.victim.kill()
        self.struck.append(write)
        return False


def story(stage, folder, proxy, assassin=None):
    """Adopt, raise, and give back on suspension. Should the operator die, another one is started in its place."""
    kubeconfig = proxy.kubeconfig(stage.api)

    def play(until):
        while True:
            # As if the lease had run out: how long that takes is measured elsewhere.
            stage.api.kubectl("delete", "lease", "--all", f"--namespace={stage.name}")
            with Process(stage, kubeconfig, folder, "operator") as operator:
                if assassin is not None:
                    assassin.victim = operator
                with contextlib.suppress(_DiedError):
                    return within(40, lambda: _alive(operator) and until())

    stage.service(own=3)
    stage.scaler()
    play(lambda: stage.floor() == 10 and stage.status().get("state", {}).get("adopted", {}).get("held"))
    raised = (stage.hpa()["metadata"]["annotations"][OWN], stage.status()["desiredReplicas"])
    stage.scaler(suspend=True)
    play(
        lambda: (
            given_back(stage, 3)
            and "finalizers" not in stage.read()["metadata"]
            and stage.reason("ScalingActive") == "Suspended"
        )
    )
    return raised, stage.status()["reason"], "adopted" in stage.status()["state"]


class _DiedError(Exception):
    pass


def _alive(operator):
    if operator.process.poll() is not None:
        raise _DiedError
    return True


UNDISTURBED = (("3", 10), "Suspended", False)


def kill(api, folder, stage, at, *, heard):
    with api_proxy(api) as proxy:
        assassin = Assassin(proxy=proxy, at=at, heard=heard)
        proxy.before, proxy.after = assassin.before, assassin.after
        assert story(stage, folder, proxy, assassin) == UNDISTURBED
        (struck,) = assassin.struck
        where = struck.path.partition("?")[0]
        print(f"killed {'after' if heard else 'before'} write {at}, {struck.verb} {where}: same end")


def test_the_same_end_when_it_is_killed_after_raising_the_floor(api, stage, tmp_path):
    kill(api, tmp_path, stage, 3, heard=True)


@pytest.mark.slow
def test_the_same_end_wherever_it_is_killed(api, stages, tmp_path):
    with api_proxy(api) as proxy:
        assert story(stages(), tmp_path, proxy) == UNDISTURBED
        points = len(proxy.writes)
    assert points >= 8
    for heard in (False, True):
        for at in range(1, points + 1):
            kill(api, tmp_path, stages(), at, heard=heard)
