"""The settings of production, and one empty view to compare with."""

from config.settings import *  # noqa: F403

ROOT_URLCONF = "benchmarks.urls"
