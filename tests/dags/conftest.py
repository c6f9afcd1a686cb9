"""One Airflow for all tests of the DAGs."""

import pytest

from testbed.airflow import airflow as started


@pytest.fixture(scope="session")
def airflow():
    with started() as running:
        yield running
