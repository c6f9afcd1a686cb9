"""The client in docs/how-to/run-the-service.md, as people will paste it."""

import re
from dataclasses import replace
from pathlib import Path

import pytest

from aiops.adapters.memory import MemorySource
from aiops.series import SeriesKey
from tests.server.serving import serving, wave

PAGE = Path(__file__).parents[2] / "docs" / "how-to" / "run-the-service.md"
QUERY = 'sum(rate(http_requests_total{app="checkout"}[1m]))'


@pytest.fixture
def client():
    (found,) = re.findall(r"```python\n(.*?)```", PAGE.read_text(), re.DOTALL)
    assert QUERY in found
    return found


def test_the_client_of_the_page_gets_its_scores_and_its_forecast(client, tmp_path, capsys):
    source = MemorySource([replace(wave("load"), key=SeriesKey(QUERY))])  # such a source finds series by their id
    with serving(tmp_path, source=source) as server:
        exec(compile(client.replace("127.0.0.1:50051", server.target), str(PAGE), "exec"), {})
    printed = [line for line in capsys.readouterr().out.splitlines() if not line.startswith("20")]
    assert [line.split()[0] for line in printed[:4]] == ["mail", "video", "mail", "video"]
    assert 50 < float(printed[4].split()[0]) < 250
