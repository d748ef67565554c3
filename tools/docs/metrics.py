"""The page of metrics, from their catalogue."""

from ticklock.telemetry.catalogue import METRICS, describe
from tools.docs.markdown import code

_HEAD = """\
# Metrics

Each replica serves its own at `/metrics`, on the port of `http_port`, as text for Prometheus. A counter or a histogram
counts what that replica did: sum over replicas. A gauge of the installation (`ticklock_due`) is told by each replica as
it last saw it: take the maximum.

Names and labels are part of the product's interface: they are added to, never changed. Where the labels of an object
are too many, `metrics_by_object=false` drops them. These have them:
{by_object}.

Values in seconds are seconds since 1970 where the name ends in `_timestamp_seconds`, durations elsewhere. Histograms
have the usual `_bucket`, `_sum` and `_count`. The process itself is described by Prometheus' own `process_*` metrics.

The chart brings alerts on them, each with [a runbook](../runbooks/README.md), and a dashboard.

"""


def page() -> str:
    """Return the page."""
    by_object = ", ".join(code(metric.full_name) for metric in METRICS.values() if metric.by_object)
    return _HEAD.format(by_object=by_object) + describe()
