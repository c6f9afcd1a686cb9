"""The same rows in three formats, to stdout or to a file."""

import csv
import json
import math
from datetime import UTC, datetime, timedelta

import pytest
import typer

from aiops.cli.output import Format, end_partially, require_apart, visible, write_table, write_text
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


def test_a_table_for_a_program_is_not_folded_to_a_terminal(capsys, monkeypatch):
    monkeypatch.delenv("COLUMNS", raising=False)
    name = "service:http_request_duration_seconds:p99{service='search', zone='a', cluster='one-of-many'}"
    write_table([{"series_id": name, "points": 1}], Format.TABLE, None)
    assert name in capsys.readouterr().out


def test_a_number_is_never_split_over_two_lines(capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "50")
    row = {
        "series_id": "a-name-that-is-long-enough-to-fold",
        "mase_ratio": 0.2964,
        "seconds": 0.0002691,
        "points": 8640,
    }
    write_table([row], Format.TABLE, None)
    words = capsys.readouterr().out.split()
    assert {"0.2964", "0.0002691", "8640"} <= set(words)


def test_instants_and_steps_are_short_in_a_table_and_exact_elsewhere(capsys):
    row = {"start": datetime(2026, 8, 29, 12, 30, 15, tzinfo=UTC), "step": timedelta(minutes=1), "last": None}
    for form in Format:
        write_table([row], form, None)
    said = capsys.readouterr().out
    assert "2026-08-29 12:30 " in said
    assert "1m" in said
    assert '"start": "2026-08-29T12:30:15+00:00"' in said
    assert "2026-08-29T12:30:15+00:00,0:01:00," in said


def test_no_rows_is_an_empty_list_and_not_a_crash(capsys):
    write_table([], Format.JSON, None)
    assert json.loads(capsys.readouterr().out) == []


def test_a_file_that_cannot_be_written_is_named(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(ConfigError, match=r"cannot write .*file/below"):
        write_text(tmp_path / "file" / "below", "text")


@pytest.mark.parametrize("read", ["traces", "traces/shop.csv", "traces/below/../shop.csv", "policy.yaml"])
def test_what_is_read_is_not_written_over(read, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "traces" / "below").mkdir(parents=True)
    (tmp_path / "traces" / "shop.csv").write_text("timestamp,value\n1790000000,1\n1790000060,2\n")
    (tmp_path / "policy.yaml").write_text("bounds: {maxReplicas: 4}\n")

    lost = tmp_path / ("policy.yaml" if read == "policy.yaml" else "traces/shop.csv")
    with pytest.raises(ConfigError, match=f"{lost.name} is read by this command, and would be lost: write to another"):
        require_apart([read], None, lost)


def test_what_is_not_telemetry_may_be_written_into_the_folder_that_is_read(tmp_path):
    (tmp_path / "old.csv").write_text("timestamp,replicas,reason\n1790000000,1,NeededSoon\n")
    (tmp_path / "plan.html").write_text("an earlier report")
    require_apart(
        [tmp_path, "http://localhost:9090"], *(tmp_path / name for name in ("old.csv", "new.csv", "plan.html"))
    )


def test_an_index_says_what_is_read(tmp_path):
    for name in ("shop", "other"):
        (tmp_path / f"{name}.csv").write_text("timestamp,value\n1790000000,1\n1790000060,2\n")
    (tmp_path / "index.csv").write_text("name\nshop\n")
    require_apart([tmp_path], tmp_path / "other.csv")
    for lost in ("shop.csv", "index.csv"):
        with pytest.raises(ConfigError, match=f"{lost} is read by this command"):
            require_apart([tmp_path], tmp_path / lost)


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("\x1b[2J\a\r\x9b", r"\x1b[2J\x07\r\x9b"),
        ("\u202e\udc80", r"\u202e\udc80"),
        ("Zürich, 東京\n", "Zürich, 東京\n"),
    ],
)
def test_what_would_steer_a_terminal_is_shown_and_letters_are_left(text, shown):
    assert visible(text) == shown


def test_what_is_left_out_does_not_steer_the_terminal(capfd):
    with pytest.raises(typer.Exit):
        end_partially([("\x1b[2Jshop", "no value in \a")], ["\x1b]0;title"])
    said = capfd.readouterr().err
    assert said == "warning: \\x1b]0;title\nleft out: \\x1b[2Jshop: no value in \\x07\n"
