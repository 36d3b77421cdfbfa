"""The one settings file: who is copied, where to, under which keys. ``docs/settings.md`` describes it."""

from snapshot_dr_provider.settings.loading import configured_settings_path, load_settings
from snapshot_dr_provider.settings.model import Settings

__all__ = ["Settings", "configured_settings_path", "load_settings"]
