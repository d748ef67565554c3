"""Settings of a replica: flags before environment before file before defaults, checked once at start."""

from ticklock.settings.errors import SettingsError
from ticklock.settings.loading import load
from ticklock.settings.model import Settings

__all__ = ["Settings", "SettingsError", "load"]
