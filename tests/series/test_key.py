import pytest
from hypothesis import given
from hypothesis import strategies as st

from aiops.errors import DataError
from aiops.series import SeriesKey

names = st.from_regex(r"[a-z_:][a-z0-9_:]{0,8}", fullmatch=True)
labels = st.dictionaries(st.from_regex(r"[a-z][a-z0-9_]{0,5}", fullmatch=True), st.text(max_size=12), max_size=4)


@given(name=names, labels=labels)
def test_a_series_id_is_read_back_whatever_its_labels_hold(name, labels):
    key = SeriesKey.of(name, labels)
    assert SeriesKey.parse(key.series_id) == key


def test_the_order_of_labels_does_not_matter_and_the_metric_name_is_one_of_them():
    assert SeriesKey.of("up", {"b": "2", "a": "1"}) == SeriesKey.of("", {"a": "1", "__name__": "up", "b": "2"})
    assert SeriesKey.of("up", {"b": "2", "a": "1"}).series_id == 'up{a="1",b="2"}'


@pytest.mark.parametrize("text", ['up{a="1"', "up{a=1}", 'up{a="1" b="2"}', 'up{="1"}'])
def test_a_broken_series_id_is_refused(text):
    with pytest.raises(DataError, match="series id"):
        SeriesKey.parse(text)


def test_a_key_has_a_name_or_a_label():
    with pytest.raises(DataError, match="a name or at least one label"):
        SeriesKey.of("")
