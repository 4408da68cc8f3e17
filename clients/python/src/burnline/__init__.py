"""Burnline's client: ``Client.track()`` reports what was used; see the package's README for its promises."""

from burnline.client import Check, Client
from burnline.notices import Notice, TrackError
from burnline.runs import Run
from burnline.settings import VERSION as __version__
from burnline.tallies import Stats

__all__ = ["Check", "Client", "Notice", "Run", "Stats", "TrackError", "__version__"]
