"""The settings of a real server that has a view which fails."""

from config.settings.development import *  # noqa: F403

ROOT_URLCONF = "core.tests.seen"
