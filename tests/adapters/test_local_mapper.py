"""Work done here and work done in processes come back alike, failures included."""

import pytest

from aiops.adapters.local_mapper import LocalMapper


@pytest.mark.parametrize("workers", [1, 2])
def test_results_carry_their_index_and_a_failure_is_a_result(workers):
    found = dict(LocalMapper(workers).map(int, ["1", "2", "three", "4"]))
    assert [found[index] for index in (0, 1, 3)] == [1, 2, 4]
    assert isinstance(found[2], ValueError)
    assert "three" in str(found[2])


def test_no_items_is_no_work():
    assert list(LocalMapper(2).map(int, [])) == []
