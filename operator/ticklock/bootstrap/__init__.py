"""Wiring: from settings to a running replica. Each command imports the module that it needs, and only that."""
