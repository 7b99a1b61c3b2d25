"""What a person may write of the metrics that are pushed by OpenTelemetry: the section `metrics.otlp`."""

from importlib.util import find_spec
from typing import Self

from pydantic import Field, SecretStr, model_validator

from gateway.config.broker import AsPath
from gateway.sdk.config import Duration, Table

EXPORTER = "opentelemetry.exporter.otlp.proto.http"


class OtlpConfig(Table):
    """Metrics pushed to an OpenTelemetry collector (OTLP/HTTP, protobuf); needs `pip install 'fieldgate[otel]'`."""

    url: str = Field(pattern=r"^https?://[^\s/@]+/\S*$")
    """Where the collector takes metrics, such as http://collector.plant:4318/v1/metrics."""
    every: Duration = Field(default=60.0, ge=1, le=3600)
    """How often all metrics are sent."""
    timeout: Duration = Field(default=5.0, ge=0.1, le=60)
    """Longest wait for the collector, its repeats included; what it did not take is sent with the next figures."""
    token: SecretStr | None = None
    """Sent as `Authorization: Bearer`; always a reference: !secret name."""
    ca: AsPath | None = None
    """PEM file with the authorities that may sign the collector's certificate; the usual ones unless set."""

    @model_validator(mode="after")
    def _can_be_done(self) -> Self:
        if self.timeout >= self.every:
            raise ValueError("timeout must be shorter than every")
        if not _installed():
            raise ValueError(
                "OpenTelemetry is not installed; `pip install 'fieldgate[otel]'` into the gateway's environment "
                "(docs/operations.md), or leave metrics.otlp out"
            )
        return self


def _installed() -> bool:
    try:
        return find_spec(EXPORTER) is not None
    except ModuleNotFoundError:  # of a package above it
        return False
