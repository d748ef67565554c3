"""The rules: pure values and decisions, no I/O and no clock."""
