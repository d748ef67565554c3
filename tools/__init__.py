"""Tools for developing Ticklock; run from the root of a checkout, never installed."""
