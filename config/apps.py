"""The project itself as an app, for its commands (demo, runtime)."""

from django.apps import AppConfig


class ProjectConfig(AppConfig):
    """Top of the house: imports every other app, none imports it."""

    name = "config"
    verbose_name = "Unabridged"
