"""What tests of the operator share: the CRD in the API, and a stage in a namespace of the test's own."""

import itertools
from collections.abc import Callable, Iterator
from dataclasses import replace

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
def stage(api: ApiServer, prometheus: Server) -> Iterator[Stage]:
    """A namespace of its own, and Prometheus; the test brings the operator."""
    found = Stage(api=api, prometheus=prometheus.url, name=f"stage-{next(_numbers)}")
    yield found
    found.leave()


@pytest.fixture(scope="module")
def house(api: ApiServer, prometheus: Server) -> Iterator[Stage]:
    """Where the operator of a whole module works, in every namespace."""
    found = Stage(api=api, prometheus=prometheus.url, name=f"house-{next(_numbers)}")
    with found.operator(everywhere=True):
        yield found


@pytest.fixture
def served(house: Stage) -> Iterator[Stage]:
    """A namespace of its own, in which the module's operator works."""
    found = replace(house, name=f"stage-{next(_numbers)}")
    yield found
    found.leave()


def with_crd(api: ApiServer) -> ApiServer:
    """Install our CRD, and wait until it is served."""
    api.kubectl("apply", "--server-side", "--filename", CRD)
    api.kubectl("wait", "--for=condition=Established", "crd/predictivescalers.aiops.dev", "--timeout=30s")
    return api


@pytest.fixture
def stages(api: ApiServer, prometheus: Server) -> Iterator[Callable[[], Stage]]:
    """Makes namespaces, each of its own."""
    made: list[Stage] = []

    def make() -> Stage:
        made.append(Stage(api=api, prometheus=prometheus.url, name=f"stage-{next(_numbers)}"))
        return made[-1]

    yield make
    for each in made:
        each.leave()
