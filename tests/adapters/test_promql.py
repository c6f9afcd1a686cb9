"""What the text of a query tells."""

from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aiops.adapters.promql import QueryText

MINUTE = timedelta(minutes=1)


@pytest.mark.parametrize(
    ("query", "metrics"),
    [
        ("up", ("up",)),
        ('http_requests_total{path="/{id}", job=~"a|b"}', ("http_requests_total",)),
        ("sum by (service, up) (rate(a_total[5m])) / on(service) group_left(team) b", ("a_total", "b")),
        ('sum(rate({__name__="a_total"}[1m])) without (pod)', ("a_total",)),
        ("sum(rate(a_total[1m])) by (service) > bool 5", ("a_total",)),
        ("a offset 5m + b @ end() # c", ("a", "b")),
        ('label_replace(up, "dst", "$1", "src", "(up.*)")', ("up",)),
        ("histogram_quantile(0.9, sum by (le) (rate(x_bucket[5m])))", ("x_bucket",)),
        ("job:requests:rate5m", ("job:requests:rate5m",)),
        ("1e3 * 0x1F + Inf", ()),
    ],
)
def test_metrics_are_found_among_labels_functions_and_numbers(query, metrics):
    assert QueryText.read(query).metrics == metrics


@pytest.mark.parametrize("query", ["up", ' up{a="b"} ', '{__name__=~"x.*"}', 'up{a="}"} # why'])
def test_a_plain_selector_is_bounded(query):
    assert QueryText.read(query).within(MINUTE) == f"last_over_time({query}\n[59999ms])"


@pytest.mark.parametrize(
    "query", ["up[5m]", "sum(up)", "up offset 5m", "up + up", "up > 0", "1", "", "up{", "rate(x[1m])"]
)
def test_anything_else_is_left_as_it_is(query):
    if query != "up{":  # broken in itself; Prometheus says how
        assert QueryText.read(query).within(MINUTE) == query


@pytest.mark.parametrize(
    "query", ["a_total", "sum(a_total)", "max by (x) (a_total)", "a_total offset 1d", "a_total > 5"]
)
def test_a_counter_as_it_is_counts_as_raw(query):
    assert QueryText.read(query).reads_raw_values


@pytest.mark.parametrize(
    "query", ["rate(a_total[1m])", "sum(increase(a_total[1h]))", "count(a_total)", "last_over_time(a_total[1m])"]
)
def test_a_counter_in_a_function_that_makes_sense_of_it_does_not(query):
    assert not QueryText.read(query).reads_raw_values


@pytest.mark.parametrize(
    ("query", "unit"),
    [
        ("process_open_bytes", "bytes"),
        ("sum by (pod) (container_memory_bytes)", "bytes"),
        ("rate(http_requests_total[1m])", "requests/second"),
        ("sum(rate(node_network_bytes_total[5m])) by (node)", "bytes/second"),
        ("increase(http_requests_total[1h])", "requests"),
        ("rate(process_cpu_seconds_total[1m])", "seconds/second"),
        ("histogram_quantile(0.99, sum by (le) (rate(http_request_duration_seconds_bucket[5m])))", "seconds"),
        ("avg_over_time(cache_hit_ratio[1h])", "ratio"),
        ("up", ""),
        ("a_bytes / b_bytes", ""),
        ("a_bytes * 8", ""),
        ("count(a_bytes)", ""),
        ("rate(foo_processed_total[1m])", ""),
        ("rate(http_request_duration_seconds_count[1m])", ""),
        ("stdvar(a_bytes)", ""),
    ],
)
def test_the_unit_is_told_where_names_and_functions_make_it_evident(query, unit):
    assert QueryText.read(query).unit() == unit


def test_the_name_that_a_result_carries_decides_where_the_query_names_none():
    assert QueryText.read('{__name__=~".*_bytes"}').unit("a_bytes") == "bytes"


@given(st.text(alphabet="ab_total{}[]()\"'`,=~#\n+- 5m", max_size=40))
def test_no_text_is_too_broken_to_be_read(query):
    text = QueryText.read(query)
    assert isinstance(text.unit(), str)
    assert query in text.within(MINUTE)
