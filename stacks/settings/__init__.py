"""Every choice a deployment has, typed: read from `environments/`, checked before anything is synthesized."""

from stacks.settings.base import SettingsError
from stacks.settings.classifier import ClassifierSettings, MonitoringSettings
from stacks.settings.environment import Settings
from stacks.settings.reading import load

__all__ = ["ClassifierSettings", "MonitoringSettings", "Settings", "SettingsError", "load"]
