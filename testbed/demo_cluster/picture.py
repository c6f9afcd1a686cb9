"""One picture of the two hours as an SVG file that needs no page around it."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from importlib import resources
from xml.etree import ElementTree as Xml

from aiops.backtest.charts import TimeChart
from aiops.backtest.drawing import draw, legend

_WIDTH = 860
_MARGIN = 20
_TITLE, _LEGEND, _GAP = 24.0, 22.0, 18.0
_LETTER = 7.0
_SWATCH = 30.0
_COLOURS = re.compile(r"--(\w+): (#[0-9a-f]{6})")
_DRAWN = re.compile(r"^(?:figure )?(text|\.[a-z])")


def picture(heading: str, finding: str, charts: Sequence[TimeChart]) -> str:
    """Return charts under each other, with their titles and legends, as SVG text."""
    body: list[str] = [
        f'<text x="{_MARGIN}" y="{_MARGIN + 8}" class="heading">{_escaped(heading)}</text>',
        f'<text x="{_MARGIN}" y="{_MARGIN + 30}">{_escaped(finding)}</text>',
    ]
    y = _MARGIN + 50.0
    for chart in charts:
        body.append(f'<text x="{_MARGIN}" y="{y + 15:g}" class="name">{_escaped(chart.title)}</text>')
        y += _TITLE
        drawn, height = _legend(chart, y)
        body.append(drawn)
        y += height
        inner = draw(chart, _WIDTH)
        high = float(inner.split('viewBox="0 0 ', 1)[1].split('"', 1)[0].split()[1])
        placed = f'<svg x="{_MARGIN}" y="{y:g}" width="{_WIDTH}" height="{high:g}" '
        body.append(inner.replace("<svg ", placed, 1))
        y += high + _GAP
    width = _WIDTH + 2 * _MARGIN
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {y:g}" width="{width}" height="{y:g}">'
        f"<style>{_style()}</style>"
        f'<rect width="100%" height="100%" fill="#ffffff"/>'
        f"{''.join(body)}</svg>\n"
    )


def _legend(chart: TimeChart, y: float) -> tuple[str, float]:
    drawn, x, line = [], float(_MARGIN), 0
    for entry in legend(chart):
        width = _SWATCH + len(entry.name) * _LETTER + 16
        if x + width > _WIDTH + _MARGIN:
            x, line = float(_MARGIN), line + 1
        at = y + line * 18
        swatch = entry.swatch.replace("<svg ", f'<svg x="{x:g}" y="{at + 2:g}" width="22" height="12" ', 1)
        drawn.append(f'{swatch}<text x="{x + _SWATCH - 2:g}" y="{at + 12:g}">{_escaped(entry.name)}</text>')
        x += width
    return "".join(drawn), _LEGEND + line * 18


def _style() -> str:
    """Return the rules of the report's style sheet that its drawings need, in its light colours."""
    sheet = resources.files("aiops.backtest").joinpath("templates/report.css").read_text()
    colours = dict(_COLOURS.findall(sheet.split("}", 1)[0]))
    rules = []
    for line in sheet.splitlines():
        if _DRAWN.match(line) and "{" in line:
            rules += _written_out(line.removeprefix("figure "), colours)
    own = (".heading { font-size: 17px; font-weight: 600; }", "text.name { font-weight: 600; font-size: 13px; }")
    return "\n".join((*rules, *own))


def _written_out(rule: str, colours: Mapping[str, str]) -> list[str]:
    """Return a rule without variables, which few viewers of pictures follow: one a tone where it names a tone."""
    rule = re.sub(r"var\(--(\w+)\)", lambda found: colours.get(found[1], found[0]), rule)
    if "--tone:" in rule:
        return []
    if "var(--tone)" not in rule:
        return [rule]
    selectors, body = rule.split("{", 1)
    return [
        ", ".join(f"{each.strip()}.{name}" for each in selectors.split(","))
        + " {"
        + body.replace("var(--tone)", colour)
        for name, colour in colours.items()
    ]


def _escaped(text: str) -> str:
    holder = Xml.Element("t")
    holder.text = text
    return Xml.tostring(holder, encoding="unicode")[3:-4]
