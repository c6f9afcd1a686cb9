"""Forecasts with quantiles: models behind one protocol, calibrated and selected by rolling origins."""
