"""What a replica tells about itself: log lines and metrics, neither of which ever holds a secret."""

from ticklock.telemetry.catalogue import METRICS, Label, Metric, describe
from ticklock.telemetry.logs import configure_logging, log_fields
from ticklock.telemetry.meter import CONTENT_TYPE, PrometheusMeter

__all__ = [
    "CONTENT_TYPE",
    "METRICS",
    "Label",
    "Metric",
    "PrometheusMeter",
    "configure_logging",
    "describe",
    "log_fields",
]
