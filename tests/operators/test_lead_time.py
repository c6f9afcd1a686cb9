"""The window is learnt from real pods' own times, as the API has them."""

from datetime import datetime, timedelta

from kubernetes import client

from tests.operators.stage import within


def start_pods(stage, name: str, *startups_seconds: int) -> None:
    """Create pods that say that they were ready so many seconds after they were created."""
    for index, took in enumerate(startups_seconds):
        pod = stage.core.create_namespaced_pod(
            stage.name,
            client.V1Pod(
                metadata=client.V1ObjectMeta(name=f"{name}-{index}", labels={"app": name}),
                spec=client.V1PodSpec(
                    containers=[client.V1Container(name="web", image="none")], automount_service_account_token=False
                ),
            ),
        )
        ready: datetime = pod.metadata.creation_timestamp + timedelta(seconds=took)
        condition = {"type": "Ready", "status": "True", "lastTransitionTime": ready.isoformat()}
        stage.core.patch_namespaced_pod_status(f"{name}-{index}", stage.name, {"status": {"conditions": [condition]}})


def test_a_window_is_as_long_as_pods_take_and_the_condition_says_so(served):
    served.service(own=3)
    served.core.create_namespaced_service_account(
        served.name, client.V1ServiceAccount(metadata=client.V1ObjectMeta(name="default"))
    )
    start_pods(served, "web", 200, 240, 180)
    start_pods(served, "other", 900, 900, 900)
    served.scaler(forecast={"leadTime": "Learnt"})

    within(20, lambda: served.reason("ForecastAvailable") == "Fresh")
    # 240 s, an interval of 60 s and a sync of 15 s, in whole minutes
    assert served.condition("ForecastAvailable")["message"] == (
        "forecasts by holt-winters for the next 6 min: nine in ten of 3 pods were ready within 4 min"
    )


def test_without_pods_the_window_that_is_written_counts(served):
    served.service(own=3)
    served.scaler(forecast={"leadTime": "Learnt"})

    within(20, lambda: served.reason("ForecastAvailable") == "Fresh")
    assert served.condition("ForecastAvailable")["message"] == (
        "forecasts by holt-winters for the next 4 min: the start of 0 pods was seen, and 3 are needed to learn from"
    )
