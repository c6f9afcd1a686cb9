"""The fleet forecaster: many cheap forecasts of every series at once, and what each of them got wrong before."""
