"""The README shows what the benchmarks last measured."""

from benchmarks.readme import BEGIN, END, README, with_figures


def test_the_figures_are_those_of_the_result_files():
    text = README.read_text(encoding="utf-8")
    assert with_figures(text) == text, "run `make docs`"
    assert text.count(BEGIN) == text.count(END) == 1
    assert "| default HPA |" in text
