"""Starts the real components on loopback: for tests, benchmarks and the demos."""
