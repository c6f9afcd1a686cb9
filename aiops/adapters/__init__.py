"""One module for each outside system; library errors become ours here."""
