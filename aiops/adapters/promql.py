"""What the text of a PromQL query tells before it is sent: is it a plain selector, does it read counters, its unit."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta

_TOKEN = re.compile(
    r"""(?P<space>\s+|\#[^\n]*)
      | (?P<string>"(?:\\.|[^"\\])*" | '(?:\\.|[^'\\])*' | `[^`]*`)
      | (?P<number>\d[\w.]*)
      | (?P<name>[a-zA-Z_:][\w:]*)
      | (?P<sign>[=!]~ | [=!<>]= | .)""",
    re.VERBOSE | re.DOTALL,
)
_NAME_MATCHER = re.compile(r"""__name__\s*=\s*(?:"([^"\\]+)"|'([^'\\]+)'|`([^`]+)`)""")
_GROUPINGS = frozenset({"by", "without", "on", "ignoring", "group_left", "group_right"})
_KEYWORDS = _GROUPINGS | {"and", "or", "unless", "bool", "offset", "inf", "nan", "atan2", "start", "end"}
_ARITHMETIC = frozenset("+-*/%^")

# What makes sense of a counter, or reads something else than its value.
_TAMES_COUNTERS = frozenset(
    """rate irate increase delta idelta deriv resets changes count count_values count_over_time group absent
    absent_over_time present_over_time timestamp last_over_time predict_linear""".split()  # noqa: SIM905 - a word list
)
_PER_SECOND = frozenset({"rate", "irate", "deriv"})
_KEEPS_UNIT = frozenset(
    """sum avg min max topk bottomk quantile sort sort_desc abs ceil floor round clamp clamp_min clamp_max increase
    delta idelta avg_over_time min_over_time max_over_time sum_over_time quantile_over_time last_over_time
    histogram_quantile limitk stddev label_replace label_join""".split()  # noqa: SIM905 - a word list
)
_UNITS = frozenset(
    {
        "seconds",
        "bytes",
        "ratio",
        "celsius",
        "volts",
        "amperes",
        "joules",
        "grams",
        "meters",
        "watts",
        "cores",
        "percent",
    }
)
_OF_HISTOGRAMS = ("_bucket", "_count", "_sum")


@dataclass(frozen=True, slots=True, kw_only=True)
class QueryText:
    """A query, as far as its words tell.

    Attributes:
        metrics: Names of metrics that it mentions, in order.
        functions: Functions and aggregations that it applies.
        is_selector: Whether it is one instant selector and nothing else.
        has_arithmetic: Whether values are combined with an operator.
    """

    text: str
    metrics: tuple[str, ...]
    functions: frozenset[str]
    is_selector: bool
    has_arithmetic: bool

    @classmethod
    def read(cls, query: str) -> QueryText:
        """Take a query apart; one that is no PromQL gives some answer, and Prometheus says what is wrong with it."""
        outside = list(_outside_braces(query))
        metrics, functions = [], set()
        for before, (kind, text), after in zip([("", ""), *outside], outside, [*outside[1:], ("", "")], strict=False):
            if kind == "braces":
                metrics += ["".join(found) for found in _NAME_MATCHER.findall(text)]
            elif kind == "name" and after[1] == "(" and text.lower() not in _GROUPINGS:
                functions.add(text.lower())
            elif kind == "name" and text.lower() not in _KEYWORDS and before[0] != "number":
                if after[1] == "(" or (after[1] in _GROUPINGS and after[0] == "name"):
                    functions.add(text.lower())
                else:
                    metrics.append(text)
        return cls(
            text=query,
            metrics=tuple(dict.fromkeys(metrics)),
            functions=frozenset(functions),
            is_selector=[kind for kind, _ in outside] in (["name"], ["braces"], ["name", "braces"]),
            has_arithmetic=any(kind == "sign" and text in _ARITHMETIC for kind, text in outside),
        )

    @property
    def reads_raw_values(self) -> bool:
        """Whether a counter in this query would come out as it is: a number that only grows, and falls at restarts."""
        return not self.functions & _TAMES_COUNTERS

    def within(self, length: timedelta) -> str:
        """Return the query so that no sample stands for longer than ``length``, if it is a plain selector.

        A plain selector repeats the last sample for five minutes, so that an outage looks like a flat line.
        ``last_over_time`` over (t - length, t] does not. One millisecond less than that, because Prometheus 2 counts
        a sample at t - length in; Prometheus 3 does not.
        """
        if not self.is_selector:
            return self.text
        milliseconds = max(length // timedelta(milliseconds=1) - 1, 1)
        return f"last_over_time({self.text}\n[{milliseconds}ms])"  # a new line: the text may end with a comment

    def unit(self, metric: str | None = None) -> str:
        """Return the unit of the result where names and functions make it evident, else nothing.

        Args:
            metric: Name of the metric that a result carries; else the only one that the query mentions.
        """
        name = metric or (self.metrics[0] if len(self.metrics) == 1 else "")
        if not name or self.has_arithmetic or self.functions - _KEEPS_UNIT - _PER_SECOND:
            return ""
        if name.endswith("_bucket") and "histogram_quantile" in self.functions:
            return _unit_in(name.removesuffix("_bucket"))
        unit = _unit_in(name.removesuffix("_sum"))
        return f"{unit}/second" if unit and self.functions & _PER_SECOND else unit


def looks_like_counter(metric: str) -> bool:
    """Return whether a name is one that a counter should have."""
    return metric.endswith("_total")


def family(metric: str) -> str:
    """Return the name under which Prometheus keeps a metric's type: a histogram's without ``_bucket`` and the like."""
    for suffix in _OF_HISTOGRAMS:
        if metric.endswith(suffix):
            return metric.removesuffix(suffix)
    return metric


def _unit_in(name: str) -> str:
    *_, last = name.removesuffix("_total").split("_")
    if last in _UNITS:
        return last
    # http_requests_total counts requests; the last word of a name that is not a counter's says less.
    return last if looks_like_counter(name) and last.endswith("s") else ""


def _outside_braces(query: str) -> Iterator[tuple[str, str]]:
    """Yield (kind, text) of each token; braces come as one, and what lists labels, ranges or offsets is left out."""
    tokens = [(each.lastgroup or "", each[0]) for each in _TOKEN.finditer(query)]
    tokens = [each for each in tokens if each[0] != "space"]
    position = 0
    while position < len(tokens):
        kind, text = tokens[position]
        position += 1
        if text == "{":
            inside, position = _until(tokens, position, "}")
            yield "braces", inside
        elif text == "[":
            _, position = _until(tokens, position, "]")
            yield "range", ""
        elif kind == "name" and text.lower() in _GROUPINGS:
            yield kind, text
            if position < len(tokens) and tokens[position][1] == "(":
                _, position = _until(tokens, position + 1, ")")
        else:
            yield kind, text


def _until(tokens: list[tuple[str, str]], position: int, closing: str) -> tuple[str, int]:
    """Return the text up to the closing sign, and the position behind it."""
    end = position
    while end < len(tokens) and tokens[end] != ("sign", closing):
        end += 1
    return "".join(text for _, text in tokens[position:end]), end + 1
