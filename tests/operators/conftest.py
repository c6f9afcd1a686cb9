"""What tests of the operator share: the CRD in the API, and a stage in a namespace of the test's own."""

import itertools

import pytest

from testbed.apiserver import ApiServer
from testbed.server import Server
from tests.operators.stage import CRD, Stage

_numbers = itertools.count(1)


@pytest.fixture(scope="session")
def api(apiserver: ApiServer) -> ApiServer:
    """The API with our CRD."""
    return with_crd(apiserver)


@pytest.fixture
def stage(api: ApiServer, prometheus: Server) -> Stage:
    """A namespace of its own, and Prometheus."""
    return Stage(api=api, prometheus=prometheus.url, name=f"stage-{next(_numbers)}")


def with_crd(api: ApiServer) -> ApiServer:
    """Install our CRD, and wait until it is served."""
    api.kubectl("apply", "--server-side", "--filename", CRD)
    api.kubectl("wait", "--for=condition=Established", "crd/predictivescalers.aiops.dev", "--timeout=30s")
    return api
