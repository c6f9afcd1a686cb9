import base64
import csv
import hashlib
import io
import json
import math
import os
import re
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest

import aiops.backtest
from aiops.backtest.charts import (
    Axis,
    Band,
    Curve,
    DotChart,
    Dots,
    Line,
    Mark,
    PlaneChart,
    Span,
    TimeChart,
    Tone,
    Walk,
)
from aiops.backtest.report import (
    MOST_ROWS,
    SCHEMA_VERSION,
    Column,
    KeyFigure,
    Report,
    Section,
    Table,
    to_csv,
    to_html,
    to_json,
)
from aiops.errors import DataError

NOW = datetime(2026, 11, 21, 10, 0, tzinfo=UTC)
GOLDEN = Path(__file__).parents[1] / "golden"
TEMPLATES = Path(aiops.backtest.__file__).parent / "templates"
HOSTILE = """<script>alert("x")</script></style></title>'"><img src=x onerror=alert(1)>&amp;{{ 7 * 7 }}"""


def report(text: str = "checkout", **changes) -> Report:
    """A report with every part, and ``text`` wherever a reader's own words may come in."""
    demand = np.array([10.0, 12.0, np.nan, 30.0, 11.0])
    ready = np.array([15.0, 15.0, 15.0, 15.0, 30.0])
    time_chart = TimeChart(
        title=text,
        axis=Axis(label=text, unit="requests/second"),
        start=NOW,
        step=timedelta(minutes=1),
        lines=(
            Line(name=text, values=demand, tone=Tone.GREY),
            Line(name="Ready", values=ready, tone=Tone.BLUE, steps=True),
        ),
        bands=(Band(name=text, lower=ready, upper=demand, tone=Tone.RED),),
        marks=(Mark(at=NOW + timedelta(minutes=3), value=30.0, text=text),),
        spans=(Span(start=NOW, end=NOW + timedelta(minutes=2), text=text),),
        caption=text,
    )
    plane = PlaneChart(
        title="Misses against cost",
        x=Axis(label="Cost", unit=text),
        y=Axis(label="Unmet", unit="%", log=True),
        curves=(Curve(name=text, x=np.array([1.0, 2.0]), y=np.array([1.0, 0.0]), tone=Tone.BLUE, labels=(text, "b")),),
        guides=(1.5,),
    )
    dots = DotChart(
        title="Spread",
        axis=Axis(label="MASE"),
        rows=(text, "other"),
        dots=(Dots(name=text, values=np.array([[0.5, 0.7, 1.5], [1.0, np.nan, 2.0]]), tone=Tone.GREEN),),
        reference=1.0,
        reference_text=text,
    )
    table = Table(
        name=text,
        columns=(
            Column(name="series_id", title=text),
            Column(name="unmet_percent", title="Unmet", unit=text),
            Column(name="at"),
            Column(name="kept"),
        ),
        rows=((text, 0.1412, NOW, True), ('with, "quotes"', math.nan, None, False)),
        text=text,
    )
    walk = Walk(summary=text, text=text, chart=time_chart, steps=((0, text), (3, f"{text}, later")), first_shown=3)
    given = Report(
        kind="scaling",
        title=text,
        verdict=f"Verdict on {text}.",
        command=f"aiops backtest scaling --source {text}",
        made_at=NOW,
        figures=(KeyFigure(name=text, value=0.1412, unit="%", note=text), KeyFigure(name="None", value=math.nan)),
        sections=(
            Section(
                title=text,
                text=f"{text}\n\nSecond.",
                charts=(time_chart, plane, dots),
                walks=(walk,),
                tables=(table,),
            ),
        ),
        notes=(text,),
        skipped=((text, text),),
    )
    return replace(given, **changes)


class Page(HTMLParser):
    """What a browser would see: elements with their attributes, and the text of scripts and styles."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.raw: dict[str, list[str]] = {"script": [], "style": []}
        self.text: list[str] = []
        self._inside = ""
        self.feed(html)

    def handle_starttag(self, tag, attrs):
        self.elements.append((tag, dict(attrs)))
        self._inside = tag if tag in self.raw else ""

    def handle_endtag(self, tag):
        self._inside = ""

    def handle_data(self, data):
        (self.raw[self._inside] if self._inside else self.text).append(data)


def test_names_from_outside_stay_text():
    page = Page(to_html(report(HOSTILE)))
    plain = Page(to_html(report()))
    assert [tag for tag, _ in page.elements] == [tag for tag, _ in plain.elements]
    assert page.raw == plain.raw
    assert not [name for _, attributes in page.elements for name in attributes if name.startswith("on")]
    assert "".join(page.text).count(HOSTILE) > 15


def test_a_walk_tells_its_steps_as_data():
    page = Page(to_html(report(HOSTILE)))
    (story,) = (attributes["data-steps"] for _, attributes in page.elements if "data-steps" in attributes)
    assert story is not None
    assert json.loads(story) == [[0, HOSTILE], [3, f"{HOSTILE}, later"]]
    with pytest.raises(DataError, match="steps must rise within 0 to 4"):
        replace(report().sections[0].walks[0], steps=((5, "beyond"),))


def test_the_page_asks_nobody_for_anything():
    html = to_html(report())
    page = Page(html)
    addresses = [
        value or ""
        for _, attributes in page.elements
        for name, value in attributes.items()
        if name in {"src", "href", "srcset", "action", "data", "poster", "xlink:href"}
    ]
    assert addresses
    assert all(address.startswith("data:text/csv;") for address in addresses)
    assert not re.search(r"@import|url\(|https?:|fetch\(|XMLHttpRequest|WebSocket|\bimport\b", html)
    assert {"link", "img", "iframe", "object", "embed"}.isdisjoint(tag for tag, _ in page.elements)


def test_the_policy_lets_exactly_our_style_and_script_run():
    page = Page(to_html(report()))
    (policy,) = (each["content"] for tag, each in page.elements if each.get("http-equiv") == "Content-Security-Policy")
    assert policy is not None
    assert policy.startswith("default-src 'none'; ")
    for tag in ("style", "script"):
        (text,) = page.raw[tag]
        digest = base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
        assert f"{tag}-src 'sha256-{digest}'" in policy
    assert not [attributes for _, attributes in page.elements if "style" in attributes]


def test_the_verdict_comes_first_and_the_command_is_there():
    text = "".join(Page(to_html(report())).text)
    order = ["Verdict on checkout.", "0.141", "Second.", "aiops backtest scaling --source", "How it was measured"]
    places = [text.index(each) for each in order]
    assert places == sorted(places)


def test_the_text_of_charts_is_text_with_units():
    text = "".join(Page(to_html(report())).text)
    for expected in ("checkout (requests/second)", "Unmet (%)", "2026, UTC", "Sat 21 Nov"):
        assert expected in text


def test_every_table_carries_its_csv_in_full():
    rows = tuple((f"series {index}", index / 7, None, True) for index in range(MOST_ROWS + 7))
    (section,) = report().sections
    table = replace(section.tables[0], rows=rows)
    page = Page(to_html(report(sections=(replace(section, tables=(table,)),))))
    (link,) = (each for tag, each in page.elements if tag == "a")
    assert link["download"] == "checkout.csv"
    assert link["href"] is not None
    csv_text = base64.b64decode(link["href"].split("base64,")[1]).decode()
    assert csv_text == to_csv(table)
    read = list(csv.reader(io.StringIO(csv_text)))
    assert read[0] == ["series_id", "unmet_percent", "at", "kept"]
    assert [float(row[1]) for row in read[1:]] == [index / 7 for index in range(MOST_ROWS + 7)]
    assert sum(tag == "tr" for tag, _ in page.elements) == 1 + MOST_ROWS
    assert f"The first {MOST_ROWS} of {MOST_ROWS + 7} rows" in "".join(page.text)


def test_csv_quotes_what_it_must_and_leaves_missing_cells_empty():
    ((table,),) = (section.tables for section in report().sections)
    read = list(csv.reader(io.StringIO(to_csv(table))))
    assert read[1:] == [
        ["checkout", "0.1412", "2026-11-21T10:00:00Z", "True"],
        ['with, "quotes"', "", "", "False"],
    ]


def test_numbers_of_a_column_share_their_decimals_and_missing_ones_are_dashes():
    table = Table(
        name="t",
        columns=(Column(name="a"), Column(name="b"), Column(name="c", decimals=1)),
        rows=((0.1412, 1234567, 2.0), (12.3, 5, math.nan), (math.inf, None, 0.25)),
    )
    html = to_html(report(sections=(Section(title="s", tables=(table,)),)))
    cells = [re.sub("<.*?>", "", cell) for cell in re.findall(r"<td.*?</td>", html)]
    assert cells == ["0.14", "1,234,567", "2.0", "12.30", "5", "–", "∞", "–", "0.2"]


def test_json_is_strict_and_says_its_version():
    def refuse(constant):
        raise AssertionError(f"{constant} is not JSON")

    document = json.loads(to_json(report()), parse_constant=refuse)
    assert document["schema_version"] == SCHEMA_VERSION
    assert document["made_at"] == "2026-11-21T10:00:00Z"
    (table,) = document["sections"][0]["tables"]
    assert table["rows"][1] == {"series_id": 'with, "quotes"', "unmet_percent": None, "at": None, "kept": False}


@pytest.mark.parametrize(("name", "written"), [("report.html", to_html), ("report.json", to_json)])
def test_the_documents_are_what_they_were(name, written):
    """UPDATE_GOLDEN=1 writes the files anew; the diff is then for a human to judge."""
    path = GOLDEN / name
    if os.environ.get("UPDATE_GOLDEN"):
        path.write_text(written(report()), encoding="utf-8")
    assert written(report()) == path.read_text(encoding="utf-8")


def test_an_empty_report_is_a_page_too():
    empty = Report(kind="k", title="t", verdict="Nothing.", command="aiops", made_at=NOW)
    assert "Nothing: every series that was asked for" in to_html(empty)
    assert json.loads(to_json(empty))["sections"] == []


def test_wrong_parts_are_refused_by_name():
    column = Column(name="a")
    with pytest.raises(DataError, match="'t', row 1: 2 cells for 1 columns"):
        Table(name="t", columns=(column,), rows=((1,), (1, 2)))
    with pytest.raises(DataError, match="name of its own, got a, a"):
        Table(name="t", columns=(column, column), rows=())
    with pytest.raises(DataError, match="made_at must be timezone-aware UTC"):
        report(made_at=datetime(2026, 11, 21))  # noqa: DTZ001


def luminance(colour: str) -> float:
    parts = [int(colour[first : first + 2], 16) / 255 for first in (1, 3, 5)]
    linear = [part / 12.92 if part <= 0.03928 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


@pytest.mark.parametrize("mode", ["light", "dark"])
def test_every_tone_can_be_seen_on_its_page(mode):
    """WCAG 2.2 asks 3 to 1 of graphics, and 4.5 to 1 of text."""
    roots = re.findall(r":root \{(.*?)\}", (TEMPLATES / "report.css").read_text(encoding="utf-8"), re.DOTALL)
    colours = dict(re.findall(r"--(\w+): (#\w{6})", roots[0 if mode == "light" else 1]))

    def contrast(name: str, on: str) -> float:
        low, high = sorted((luminance(colours[name]), luminance(colours[on])))
        return (high + 0.05) / (low + 0.05)

    for tone in Tone:
        assert contrast(tone, "page") >= 3, tone
    for text in ("ink", "quiet"):
        for ground in ("page", "card"):
            assert contrast(text, ground) >= 4.5, (text, ground)
