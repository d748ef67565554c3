"""The Kubernetes API: Jobs, Lease, status, Events, watches."""
