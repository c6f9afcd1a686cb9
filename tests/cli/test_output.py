"""The same rows in three formats, to stdout or to a file."""

import csv
import json
import math

import pytest

from aiops.cli.output import Format, write_table, write_text
from aiops.errors import ConfigError

ROWS = [
    {"series_id": 'api{zone="a"}', "mase": 0.75, "verdict": "good"},
    {"series_id": "ba[ck]up", "mase": math.nan, "verdict": None},
]


def test_json_is_a_list_of_objects_with_null_for_nan(tmp_path):
    write_table(ROWS, Format.JSON, tmp_path / "deep" / "out.json")
    assert json.loads((tmp_path / "deep" / "out.json").read_text()) == [
        {"series_id": 'api{zone="a"}', "mase": 0.75, "verdict": "good"},
        {"series_id": "ba[ck]up", "mase": None, "verdict": None},
    ]


def test_csv_quotes_labels_and_leaves_nan_empty(capsys):
    write_table(ROWS, Format.CSV, None)
    read = list(csv.reader(capsys.readouterr().out.splitlines()))
    assert read == [["series_id", "mase", "verdict"], ['api{zone="a"}', "0.75", "good"], ["ba[ck]up", "", ""]]


def test_a_table_shows_names_with_brackets_as_they_are(tmp_path):
    write_table(ROWS, Format.TABLE, tmp_path / "out.txt")
    text = (tmp_path / "out.txt").read_text()
    assert "ba[ck]up" in text
    assert "0.75" in text


def test_no_rows_is_an_empty_list_and_not_a_crash(capsys):
    write_table([], Format.JSON, None)
    assert json.loads(capsys.readouterr().out) == []


def test_a_file_that_cannot_be_written_is_named(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(ConfigError, match=r"cannot write .*file/below"):
        write_text(tmp_path / "file" / "below", "text")
