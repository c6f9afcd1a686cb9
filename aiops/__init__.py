"""Forecast load, score telemetry and scale Kubernetes workloads ahead of demand."""

__version__ = "0.1.0"
