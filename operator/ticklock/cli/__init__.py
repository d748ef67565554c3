"""The command line `ticklock`."""
