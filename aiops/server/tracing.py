"""Spans of every call, sent by OTLP: only where the standard variables of OpenTelemetry name a collector."""

from __future__ import annotations

import os
from collections.abc import Callable

import grpc

from aiops.errors import ConfigError

_ENDPOINTS = ("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "OTEL_EXPORTER_OTLP_ENDPOINT")


def start() -> tuple[tuple[grpc.aio.ServerInterceptor, ...], Callable[[], None]]:
    """Begin to trace if a collector is named.

    Returns:
        Interceptors to put before ours, and what to call at the end so that the last spans are sent.

    Raises:
        ConfigError: If one is named and the libraries of the extra ``serve`` are missing.
    """
    if not any(os.environ.get(name) for name in _ENDPOINTS):
        return (), lambda: None
    try:
        from opentelemetry.exporter.otlp.proto.grpc.trace_exporter import OTLPSpanExporter
        from opentelemetry.instrumentation.grpc import aio_server_interceptor, filters
        from opentelemetry.sdk.resources import Resource
        from opentelemetry.sdk.trace import TracerProvider
        from opentelemetry.sdk.trace.export import BatchSpanProcessor
    except ModuleNotFoundError as error:
        raise ConfigError(f"tracing needs OpenTelemetry ({error}): install aiops[serve]") from error
    provider = TracerProvider(resource=Resource.create({"service.name": os.environ.get("OTEL_SERVICE_NAME", "aiops")}))
    provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))
    calls = filters.negate(filters.health_check())  # probes are no news
    interceptor = aio_server_interceptor(tracer_provider=provider, filter_=calls)  # type: ignore[no-untyped-call]
    return (interceptor,), provider.shutdown
