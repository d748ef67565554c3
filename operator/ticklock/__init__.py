"""Ticklock: scheduled Kubernetes Jobs that run exactly once."""
