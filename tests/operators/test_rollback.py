"""A change that did harm is taken back, on a real cluster: its HPA controller, its pods, Prometheus, Alertmanager."""

import pytest

from testbed.alertmanager import alertmanager_cluster
from testbed.external_metrics import external_metrics
from testbed.webhook import webhook
from tests.operators.conftest import with_crd
from tests.operators.stage import SPEED, Stage, deployment, stays, within

INTERVAL_SECONDS = 60.0  # between two turns, in the time of the stage
GUARD = {"observe": "30m", "failureLimit": 3, "coolDown": "16m"}
WANTED = 'max(last_over_time(knob{stage="$namespace",name="hpa"}[6h]))'


def hpa_on(metric):
    """An HPA that goes by an external metric, 50 a pod, and shrinks at once."""
    return {
        "apiVersion": "autoscaling/v2",
        "kind": "HorizontalPodAutoscaler",
        "metadata": {"name": "web"},
        "spec": {
            "scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": "web"},
            "minReplicas": 3,
            "maxReplicas": 40,
            "metrics": [
                {
                    "type": "External",
                    "external": {"metric": {"name": metric}, "target": {"type": "AverageValue", "averageValue": "50"}},
                }
            ],
            "behavior": {"scaleDown": {"stabilizationWindowSeconds": 0}},
        },
    }


class Play:
    """A service that runs 10 pods under a floor of 10, with its demand, its SLO and what its HPA sees as knobs."""

    def __init__(self, stage):
        self.stage = stage
        self.demand = stage.knob("demand", otherwise=500)
        self.errors = stage.knob("errors", otherwise=0)
        self.hpa = stage.knob("hpa")

    def begin(self):
        self.hpa.set(0)
        self.stage.apply(deployment("web", 10), hpa_on("wanted"))
        slo = {"name": "errors", "query": self.errors.query, "threshold": 0.01}
        self.stage.scaler(query=self.demand.query, guard={**GUARD, "slos": [slo]})
        within(60, lambda: self.stage.floor() == 10 and self.stage.ready() == 10)

    def state(self):
        return self.stage.status().get("state", {})

    def shrink(self):
        """Let demand fall to what 6 pods serve; return when the floor begins to follow, which is put on trial."""
        self.demand.set(300)
        within(60, lambda: self.stage.floor() < 10 and self.state().get("phase") == "OnTrial")


@pytest.fixture(scope="module")
def shown(cluster, prometheus):
    """A cluster whose HPAs see the knobs."""
    with_crd(cluster.api)
    clock = Stage(api=cluster.api, prometheus=prometheus.url, name="clock").clock
    with external_metrics(cluster.api, prometheus.url, {"wanted": WANTED}, now=clock.now):
        yield cluster.api, prometheus.url, clock


def test_a_change_that_did_harm_is_taken_back_told_and_followed_by_a_cool_down(shown):
    api, prometheus, clock = shown
    with webhook() as hook, alertmanager_cluster(3, webhook_url=hook.url) as replicas:
        replicas[0].process.kill()  # two of three are up, and the one that is named first is not
        urls = tuple(each.url for each in replicas)
        stage = Stage(api=api, prometheus=prometheus, name="harm", clock=clock, alertmanagers=urls)
        play = Play(stage)
        with stage.operator():
            play.begin()
            play.shrink()
            within(30, lambda: stage.ready() < 10)
            play.errors.set(0.5)
            bad = stage.clock.now()
            within(20, lambda: stage.floor() >= 10)
            seen = stage.clock.now()
            exhausted = play.state()["rolledBackAt"]
            after_check, after_bad = seen.timestamp() - exhausted, (seen - bad).total_seconds()
            print(
                f"\nlast failed check -> floor back at 10: {after_check / INTERVAL_SECONDS:.2f} turns "
                f"({after_check / SPEED:.2f} s); SLO bad -> floor back: {after_bad / INTERVAL_SECONDS:.1f} turns"
            )
            assert after_check <= 2 * INTERVAL_SECONDS
            assert tuple(stage.condition("GuardHealthy")[key] for key in ("status", "reason")) == (
                "False",
                "RolledBack",
            )
            within(10, lambda: "RolledBack" in [reason for reason, _ in stage.events()])
            within(30, lambda: stage.ready() == 10)
            firing = hook.wait_for(lambda got: any(each["status"] == "firing" for each in got), 20)[0]["alerts"][0]
            assert firing["labels"] == {
                "alertname": "PredictiveScalerRolledBack",
                "namespace": "harm",
                "predictivescaler": "web",
                "severity": "ticket",
            }
            assert firing["annotations"]["observed"] == "errors: 0.5"
            assert firing["annotations"]["expected"] == "errors: at most 0.01"
            play.errors.set(0)
            stays(2, lambda: stage.floor() == 10, "nothing is taken away while it cools down")
            within(20, lambda: play.state().get("phase") != "Cooldown")
            hook.wait_for(lambda got: any(each["status"] == "resolved" for each in got), 20)
            within(30, lambda: stage.floor() < 10, "and then it is tried again")
            told = [each["status"] for each in hook.received()]
            assert told == ["firing", "resolved"], "once, though two replicas have it"
        stage.leave()


def test_a_bad_slo_is_not_blamed_on_a_change_that_took_no_pod_away(shown):
    """The floor falls, but the HPA keeps all ten pods: whatever is wrong, it is not for want of them."""
    api, prometheus, clock = shown
    stage = Stage(api=api, prometheus=prometheus, name="blameless", clock=clock)
    play = Play(stage)
    with stage.operator():
        play.begin()
        play.hpa.set(500)
        play.shrink()
        play.errors.set(0.5)
        within(15, lambda: stage.status()["reason"] == "NotBlamed")
        stays(3, lambda: stage.floor() < 10, "six bad checks, and nothing is taken back")
        assert stage.ready() == 10
        assert "10 replicas are not fewer than the 10 before it" in stage.condition("GuardHealthy")["message"]
        assert "RolledBack" not in [reason for reason, _ in stage.events()]
    stage.leave()


@pytest.mark.slow
def test_the_operator_stopped_during_a_trial_is_no_way_out_of_it(shown):
    api, prometheus, clock = shown
    stage = Stage(api=api, prometheus=prometheus, name="forgetful", clock=clock)
    play = Play(stage)
    with stage.operator():
        play.begin()
        play.shrink()
        within(30, lambda: stage.ready() < 10)
        play.errors.set(0.5)
        within(15, lambda: play.state().get("trial", {}).get("failed") == 1)
    failed = play.state()["trial"]["failed"]
    with stage.operator():
        within(30, lambda: stage.floor() >= 10, "the failed checks before count")
        print(f"\n{failed} failed checks before the restart, {GUARD['failureLimit'] - failed} after it")
    stage.leave()
