"""Season lengths, decomposition and calendars."""
